# What up and down of this folder share. Sourced; the caller has set -Eeuo pipefail.
# shellcheck shell=bash

program=deploy/kubernetes/local/${0##*/}
state=/var/lib/jobgate-kubernetes
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# shellcheck source=deploy/steps.sh
. "$here/../../steps.sh"

# Sets the names of everything in the state folder.
# shellcheck disable=SC2034
use_state() {
        [[ $1 == /* ]] || die "--dir needs an absolute path, not '$1'"
        state=${1%/}
        [[ -n $state ]] || die "--dir cannot be the root folder"
        # A socket's path has 107 bytes at most.
        ((${#state} <= 60)) || die "the path of --dir is too long (60 bytes at most): $state"
        [[ $state =~ ^[A-Za-z0-9/._-]+$ ]] || die "--dir may hold letters, digits and / . _ - only"
        etc=$state/etc
        logs=$state/log
        pids=$state/run
        kubeconfig=$etc/admin.kubeconfig
        runtime_socket=$pids/containerd.socket
        settings=$etc/settings
}

# use_number N: the names and addresses of a cluster's own on this machine. 198.18.0.0/15 is for
# tests by RFC 2544: no network that anybody needs is there.
# shellcheck disable=SC2034
use_number() {
        number=$1
        link=jgk8s-$number
        network=198.18.$number.0/30
        host_address=198.18.$number.1
        node_address=198.18.$number.2
        url=https://$node_address:6443
        cgroup=jobgate-k8s-$number
}

# The pid, as seen from here, of the first process of the cluster's pid namespace (init), when it
# lives. It is the one child of the process in the file.
init_pid() {
        local holder pid
        holder=$(cat "$pids/init.pid" 2>/dev/null) || return 1
        [[ $holder =~ ^[0-9]+$ ]] || return 1
        read -r pid _ 2>/dev/null <"/proc/$holder/task/$holder/children" || [[ -n ${pid:-} ]] || return 1
        grep -qzxF -- "$state" "/proc/$pid/cmdline" 2>/dev/null || return 1
        echo "$pid"
}

# part_pid NAME: the pid, as seen from here, of a part that runs. All of them are init's children.
part_pid() {
        local init pid first
        init=$(init_pid) || return 1
        for pid in $(cat "/proc/$init/task/$init/children" 2>/dev/null); do
                IFS= read -r -d '' first 2>/dev/null <"/proc/$pid/cmdline" || continue
                if [[ $first == "$state/bin/$1" ]]; then
                        echo "$pid"
                        return 0
                fi
        done
        return 1
}

# Whether the link of this number is this state folder's: it carries the folder's name.
link_is_ours() {
        [[ $(cat "/sys/class/net/$link/ifalias" 2>/dev/null) == "$state" ]]
}

# Runs a command in the cluster's network.
inside() {
        nsenter --target "$(init_pid)" --net "$@"
}

# Where the kernel's control groups are: one folder, or with version 1 one for each controller.
cgroup_roots() {
        local root
        if [[ -e /sys/fs/cgroup/cgroup.controllers ]]; then
                echo /sys/fs/cgroup
                return 0
        fi
        for root in /sys/fs/cgroup/*/; do
                [[ ! -e ${root}cgroup.procs ]] || echo "${root%/}"
        done
}

remove_cgroups() {
        local root
        for root in $(cgroup_roots); do
                [[ ! -d $root/$cgroup ]] || find "$root/$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null || true
        done
}

# Ends everything that runs in the cluster, its mounts and its network with it, and waits for that.
end_processes() {
        local init tries
        init=$(init_pid) || return 0
        kill -KILL "$init" 2>/dev/null || true
        for ((tries = 0; tries < 200; tries++)); do
                [[ -e /proc/$init ]] || break
                sleep 0.05
        done
        [[ ! -e /proc/$init ]] || die "process $init of $state does not end"
        rm -f "$pids/init.pid"
}
