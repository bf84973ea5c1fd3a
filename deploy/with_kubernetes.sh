# What `--with kubernetes` adds to deploy/up: a Kubernetes of this one machine in the state folder,
# or one that is there already, and the backend `kubernetes` on it. Sourced by deploy/up, whose
# names it uses.
# shellcheck shell=bash

kubernetes_namespace=jobgate-main # the project main's
kubernetes_token_life=8760h       # as far as the cluster allows it; every day a new one, if up is called

# The image of the first job has busybox only.
kubernetes_training='BEGIN {
        srand(1)
        for (i = 0; i < 100; i++) { x[i] = i / 50; y[i] = 3 * x[i] - 1 + (rand() - 0.5) / 5 }
        for (step = 1; step <= 200; step++) {
                loss = dw = db = 0
                for (i = 0; i < 100; i++) { e = w * x[i] + b - y[i]; loss += e * e; dw += e * x[i]; db += e }
                w -= 0.002 * dw; b -= 0.002 * db
                if (step % 40 == 0 || step == 1) printf "step=%d loss=%.5f\n", step, loss / 100
        }
        printf "y = %.3f x + %.3f\n", w, b
}'

# One that is there is looked after by every call.
kubernetes_is_there() {
        # shellcheck disable=SC2154
        [[ -e $kubernetes_state || -e $state/kubernetes-cluster ]]
}

check_kubernetes_options() {
        # shellcheck disable=SC2154
        if [[ $with_kubernetes == no ]]; then
                [[ -z $kubernetes_number$kubernetes_config$kubernetes_context ]] ||
                        die "--kubernetes-number, --kubeconfig and --context need --with kubernetes (see --help)"
                return 0
        fi
        if [[ -n $kubernetes_config ]]; then
                [[ -z $kubernetes_number ]] || die "--kubernetes-number is for a cluster of its own, without --kubeconfig"
                [[ -r $kubernetes_config ]] || die "--kubeconfig: cannot read $kubernetes_config"
                [[ ! -e $kubernetes_state ]] ||
                        die "there is a cluster of its own in $kubernetes_state already; choose another --dir"
                kubernetes_config=$(realpath "$kubernetes_config")
                return 0
        fi
        [[ -z $kubernetes_context ]] || die "--context needs --kubeconfig (see --help)"
        [[ ! -e $state/kubernetes-cluster ]] || return 0
        [[ $EUID -eq 0 ]] || die "--with kubernetes needs root, or a cluster that is there (--kubeconfig)"
        [[ $state =~ ^[A-Za-z0-9/._-]+$ ]] ||
                die "with Kubernetes --dir may hold letters, digits and / . _ - only, not '$state'"
        ((${#kubernetes_state} <= 60)) || die "with Kubernetes the path of --dir is too long (49 bytes at most): $state"
}

start_kubernetes() {
        local options=()
        if [[ -n $kubernetes_config ]]; then
                printf '%s\n' "$kubernetes_config" "$kubernetes_context" >"$state/kubernetes-cluster"
        fi
        if [[ -e $state/kubernetes-cluster ]]; then
                { read -r kubernetes_config && read -r kubernetes_context; } <"$state/kubernetes-cluster"
                say "the cluster of $kubernetes_config"
                return 0
        fi
        [[ -z $kubernetes_number ]] || options=(--number "$kubernetes_number")
        logged kubernetes "$repository/deploy/kubernetes/local/up" --dir "$kubernetes_state" "${options[@]}"
}

# The gateway's own, which nobody else may read: it has its token.
kubernetes_access() {
        local own=$state/kubernetes.kubeconfig as=()
        [[ ! -e $own || -z $(find "$own" -mmin -1440) ]] || return 0
        if [[ -n $kubernetes_config ]]; then
                as=(--kubeconfig "$kubernetes_config")
                [[ -z $kubernetes_context ]] || as+=(--context "$kubernetes_context")
        else
                as=(--kubeconfig "$kubernetes_state/etc/admin.kubeconfig" --kubectl "$kubernetes_state/bin/kubectl")
        fi
        logged grant "$repository/deploy/kubernetes/grant" --namespace "$kubernetes_namespace" --output "$own.granted" \
                --expires "$kubernetes_token_life" "${as[@]}"
        # shellcheck disable=SC2154
        [[ $EUID -ne 0 ]] || chown "$service_user:" "$own.granted"
        mv -f "$own.granted" "$own"
        say "jobgate has its rights in the namespace $kubernetes_namespace, and nowhere else"
}

# The settings of the backend, as an item of the list `backends`.
kubernetes_section() {
        local image=docker.io/local/busybox:1
        [[ -z $kubernetes_config ]] || image=docker.io/library/busybox:1
        cat <<END_OF_SECTION
- name: kubernetes
  type: kubernetes
  kubeconfig: $state/kubernetes.kubeconfig
  image: $image
  pull_policy: IfNotPresent
END_OF_SECTION
}

add_kubernetes() {
        kubernetes_access
        add_backend kubernetes "$(kubernetes_section)"
}

# Once: whoever runs this installation may have changed it since.
give_namespace() {
        [[ ! -e $state/kubernetes-identity ]] || return 0
        logged identity jobgate project identity main kubernetes "$kubernetes_namespace"
        echo "$kubernetes_namespace" >"$state/kubernetes-identity"
        say "on Kubernetes the project main has the namespace $kubernetes_namespace"
}

# Of the first job's spec there. A cluster that was there need not have GPUs.
kubernetes_first_job() {
        python3 - "$kubernetes_training" "$kubernetes_config" <<'END'
import json, sys
resources = {"cpus": 1, "memory": "100Mi"} | ({} if sys.argv[2] else {"gpus": 1})
print(json.dumps({"backend": "kubernetes", "command": ["awk", sys.argv[1]], "resources": resources}))
END
}

# As whom the cluster can be looked at.
kubernetes_kubeconfig() {
        echo "${kubernetes_config:-$kubernetes_state/etc/admin.kubeconfig}"
}

kubernetes_farewell() {
        local kubectl=kubectl
        [[ -n $kubernetes_config ]] || kubectl=$kubernetes_state/bin/kubectl
        # shellcheck disable=SC2154
        cat <<END_OF_WORDS
A job on Kubernetes, and what Kubernetes says of it:

  curl --netrc-file $netrc_file '$url/v1/jobs?wait=60' -H 'Content-Type: application/json' \\
       -d '{"backend": "kubernetes", "command": ["hostname"]}'
  KUBECONFIG=$(kubernetes_kubeconfig) $kubectl get jobs --namespace $kubernetes_namespace

END_OF_WORDS
}
