# Certificates and settings of a cluster, written once by its first up. Sourced by up, whose names
# it uses (common.sh).
# shellcheck shell=bash
# shellcheck disable=SC2154

new_key() {
        openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$etc/$1.key" 2>>"$logs/openssl.log"
}

# certificate FILE SUBJECT [NAMES]: a key, and a certificate of ours for it.
certificate() {
        local extensions=$'keyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth,serverAuth\n'
        [[ -z ${3:-} ]] || extensions+="subjectAltName=$3"
        new_key "$1"
        openssl req -new -key "$etc/$1.key" -subj "$2" 2>>"$logs/openssl.log" |
                openssl x509 -req -CA "$etc/ca.crt" -CAkey "$etc/ca.key" -CAcreateserial -days 3650 \
                        -out "$etc/$1.crt" -extfile <(echo "$extensions") 2>>"$logs/openssl.log"
}

write_certificates() {
        new_key ca
        openssl req -x509 -key "$etc/ca.key" -out "$etc/ca.crt" -days 3650 -subj /CN=jobgate-local-kubernetes \
                -addext keyUsage=critical,keyCertSign,cRLSign 2>>"$logs/openssl.log"
        new_key service-accounts
        openssl pkey -in "$etc/service-accounts.key" -pubout -out "$etc/service-accounts.pub"
        certificate api /CN=kube-apiserver \
                "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,IP:$node_address,IP:$service_address"
        certificate kubelet-serving "/CN=$node" "DNS:$node,IP:$node_address"
        certificate kubelet "/O=system:nodes/CN=system:node:$node"
        certificate kube-controller-manager /CN=system:kube-controller-manager
        certificate kube-scheduler /CN=system:kube-scheduler
        certificate kube-proxy /CN=system:kube-proxy
        certificate admin /O=system:masters/CN=admin
}

# A kubeconfig with everything in it, so that a copy of it works too.
write_kubeconfig() {
        cat >"$etc/$1.kubeconfig" <<END
apiVersion: v1
kind: Config
clusters:
- name: local
  cluster:
    server: $url
    certificate-authority-data: $(base64 -w 0 "$etc/ca.crt")
users:
- name: $1
  user:
    client-certificate-data: $(base64 -w 0 "$etc/$1.crt")
    client-key-data: $(base64 -w 0 "$etc/$1.key")
contexts:
- name: local
  context: {cluster: local, user: $1}
current-context: local
END
}

write_authentication() {
        cat >"$etc/authentication.yaml" <<'END'
apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
anonymous: {enabled: true, conditions: [{path: /livez}, {path: /readyz}, {path: /healthz}]}
END
}

write_kubelet() {
        cat >"$etc/kubelet.yaml" <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $node_address
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: $etc/ca.crt}
authorization: {mode: Webhook}
tlsCertFile: $etc/kubelet-serving.crt
tlsPrivateKeyFile: $etc/kubelet-serving.key
containerRuntimeEndpoint: unix://$runtime_socket
# Several clusters of a machine have one tree of control groups.
cgroupRoot: /$cgroup
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
# Lowering it needs a capability that root in a container lacks.
oomScoreAdj: 0
clusterDomain: cluster.local
# Nobody answers there. Without it each pod gets an event that says so.
clusterDNS: [$dns_address]
resolvConf: $etc/resolv.conf
podLogsDir: $state/pod-logs
volumePluginDir: $state/volume-plugins
maxPods: 200
# How full the machine's disks are is not this cluster's affair.
evictionHard:
  memory.available: 100Mi
  nodefs.available: 1%
  nodefs.inodesFree: 1%
  imagefs.available: 1%
  imagefs.inodesFree: 1%
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
END
        echo "nameserver $dns_address" >"$etc/resolv.conf"
}

write_proxy() {
        cat >"$etc/kube-proxy.yaml" <<END
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
bindAddress: $node_address
hostnameOverride: $node
clusterCIDR: $pod_network
clientConnection: {kubeconfig: $etc/kube-proxy.kubeconfig}
oomScoreAdj: 0
# Limits of the whole machine: left as they are.
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
END
}

write_containerd() {
        mkdir -p "$etc/cni"
        cat >"$etc/cni/pods.conflist" <<END
{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "pods", "isGateway": true, "ipMasq": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "$state/pod-addresses", "routes": [{"dst": "0.0.0.0/0"}],
            "ranges": [[{"subnet": "$pod_network"}]]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
END
        cat >"$etc/containerd.toml" <<END
version = 2
root = "$state/containerd"
state = "$pids/containerd"
[grpc]
  address = "$runtime_socket"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$pause_image"
  restrict_oom_score_adj = true
  disable_tcp_service = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$etc/cni"
END
}

write_everything() {
        local user
        write_certificates
        for user in kubelet kube-controller-manager kube-scheduler kube-proxy admin; do
                write_kubeconfig "$user"
        done
        write_authentication
        write_kubelet
        write_proxy
        write_containerd
        # What down needs, and later calls of up; the last of all, so that what is half made is made anew.
        printf '%s=%s\n' number "$number" gpus "$gpus" node_grace "$node_grace" toleration "$toleration" >"$settings.new"
        mv "$settings.new" "$settings"
}
