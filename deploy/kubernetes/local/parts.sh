# What each part of the cluster is called with. Sourced by up, whose names it uses (common.sh).
# shellcheck shell=bash
# shellcheck disable=SC2154

# Sets `arguments` to those of a part.
# shellcheck disable=SC2034
arguments_of() {
        case $1 in
        containerd)
                arguments=(--config "$etc/containerd.toml")
                ;;
        etcd)
                arguments=(
                        --name local --data-dir "$state/etcd" --log-level warn
                        --listen-client-urls "$etcd_url" --advertise-client-urls "$etcd_url"
                        --listen-peer-urls "$etcd_peer_url" --initial-advertise-peer-urls "$etcd_peer_url"
                        --initial-cluster "local=$etcd_peer_url"
                        # What a power cut loses here is a trial's.
                        --unsafe-no-fsync
                )
                ;;
        kube-apiserver)
                arguments=(
                        --etcd-servers "$etcd_url"
                        --bind-address "$node_address" --advertise-address "$node_address" --secure-port 6443
                        --tls-cert-file "$etc/api.crt" --tls-private-key-file "$etc/api.key"
                        --client-ca-file "$etc/ca.crt" --authentication-config "$etc/authentication.yaml"
                        --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction
                        --service-account-key-file "$etc/service-accounts.pub"
                        --service-account-signing-key-file "$etc/service-accounts.key"
                        --service-account-issuer https://kubernetes.default.svc
                        --service-cluster-ip-range "$service_network"
                        --kubelet-certificate-authority "$etc/ca.crt"
                        --kubelet-client-certificate "$etc/admin.crt" --kubelet-client-key "$etc/admin.key"
                        --kubelet-preferred-address-types InternalIP --allow-privileged
                        --default-not-ready-toleration-seconds "$toleration"
                        --default-unreachable-toleration-seconds "$toleration"
                )
                ;;
        kubelet)
                arguments=(
                        --config "$etc/kubelet.yaml" --kubeconfig "$etc/kubelet.kubeconfig"
                        --root-dir "$state/kubelet" --hostname-override "$node" --node-ip "$node_address"
                )
                ;;
        kube-controller-manager)
                arguments=(
                        --kubeconfig "$etc/kube-controller-manager.kubeconfig" --bind-address 127.0.0.1
                        --leader-elect=false --use-service-account-credentials
                        --service-account-private-key-file "$etc/service-accounts.key" --root-ca-file "$etc/ca.crt"
                        --cluster-signing-cert-file "$etc/ca.crt" --cluster-signing-key-file "$etc/ca.key"
                        --node-monitor-grace-period "${node_grace}s"
                )
                ;;
        kube-scheduler)
                arguments=(
                        --kubeconfig "$etc/kube-scheduler.kubeconfig" --bind-address 127.0.0.1 --leader-elect=false
                )
                ;;
        kube-proxy)
                arguments=(--config "$etc/kube-proxy.yaml")
                ;;
        esac
}
