# The program that is every part of Kubernetes, built once for all clusters of this user. Sourced by
# up, whose names it uses (common.sh).
# shellcheck shell=bash
# shellcheck disable=SC2154

cache=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/jobgate/kubernetes
sources=(go.mod go.sum main.go build.sh)
go_needed=$(sed -n 's/^go //p' "$here/go.mod")

# Where the program of these sources is, or will be.
program_file() {
        echo "$cache/$(cd "$here" && cat "${sources[@]}" | sha256sum | cut -c 1-16)-$(uname -m)/kubernetes"
}

check_go() {
        local found
        # Where the archive of go.dev is unpacked to, as a rule.
        PATH=$PATH:/usr/local/go/bin
        # In this folder, whose go.mod lets a Go that may do so fetch the newer one.
        found=$(cd "$here" && go env GOVERSION 2>/dev/null) || true
        if [[ $(printf '%s\n' "$go_needed" "${found#go}" | sort -V | head -n 1) != "$go_needed" ]]; then
                die "Kubernetes is built with Go $go_needed or newer, and here is ${found:-none}: unpack the archive" \
                        "for this machine from https://go.dev/dl/ into /usr/local, and call this again"
        fi
}

check_build_space() {
        local folder free
        for folder in "$cache" "$(go env GOCACHE)" "$(go env GOMODCACHE)"; do
                mkdir -p "$folder"
                free=$(df --output=avail -BM "$folder" | tail -n 1 | tr -dc 0-9)
                ((free >= 6144)) || die "there are only $free MiB free in $folder; building Kubernetes needs 6144"
        done
}

# Builds it, unless it is there: with nothing in Go's own cache that is 15 minutes of one processor.
make_program() {
        local file
        file=$(program_file)
        [[ ! -x $file ]] || return 0
        mkdir -p "$cache"
        exec 8>"$cache/lock"
        flock -n 8 || { say "another call is building it; waiting for it" && flock 8; }
        if [[ ! -x $file ]]; then
                check_go
                check_build_space
                mkdir -p "${file%/*}"
                say "building Kubernetes: 8 to 20 minutes the first time"
                logged build nice -n 10 "$here/build.sh" "$file.new" 8>&-
                mv "$file.new" "$file"
        fi
        exec 8>&-
}

# The cluster's own copy, under a name for each part; a link where the file system can.
install_program() {
        local file name
        file=$(program_file)
        mkdir -p "$state/bin"
        if ! cmp -s "$file" "$state/bin/.kubernetes"; then
                ln -f "$file" "$state/bin/.kubernetes.new" 2>/dev/null || cp "$file" "$state/bin/.kubernetes.new"
                mv -f "$state/bin/.kubernetes.new" "$state/bin/.kubernetes"
        fi
        for name in etcd kube-apiserver kubelet kube-controller-manager kube-scheduler kube-proxy kubectl; do
                ln -sf .kubernetes "$state/bin/$name"
        done
        ln -sf "$(command -v containerd)" "$state/bin/containerd"
}
