# What deploy/up and deploy/down share. Sourced; the caller has set -euo pipefail.
# shellcheck shell=bash

program=deploy/${0##*/}
state=/var/lib/jobgate
service_user=jobgate
pg_bin=/usr/lib/postgresql/15/bin

# shellcheck source=deploy/steps.sh
. "$(dirname "${BASH_SOURCE[0]}")/steps.sh"

# Sets the names of everything in the state folder.
# shellcheck disable=SC2034
use_state() {
        [[ $1 == /* ]] || die "--dir needs an absolute path, not '$1'"
        state=${1%/}
        [[ -n $state ]] || die "--dir cannot be the root folder"
        # A socket's path has 107 bytes at most, and PostgreSQL adds 20.
        ((${#state} <= 80)) || die "the path of --dir is too long (80 bytes at most): $state"
        config=$state/jobgate.yaml
        pid_file=$state/jobgate.pid
        token_file=$state/token
        netrc_file=$state/netrc
        logs=$state/log
        slurm_state=$state/slurm
        kubernetes_state=$state/kubernetes
        as_user_socket=$state/as-user.socket
        as_user_pid_file=$state/as-user.pid
        [[ $EUID -eq 0 ]] || service_user=$(id -un)
}

# Runs a program as the user that the gateway, PostgreSQL and the jobs run as, without
# this script's own descriptors (3 and 9): a server would keep them open.
as_service() {
        if [[ $EUID -eq 0 ]]; then
                setpriv --reuid="$service_user" --regid="$service_user" --init-groups --inh-caps=-all \
                        env -i -C / PATH="$PATH" LANG=C.UTF-8 HOME="$state" "$@" 3>&- 9>&-
        else
                env -C / "$@" 3>&- 9>&-
        fi
}

# pid_of FILE WORDS: the pid in the file, when that process has the words among its arguments: a
# pid file may outlive its process, and pids are used again.
pid_of() {
        local pid
        pid=$(cat "$1" 2>/dev/null) || return 1
        [[ $pid =~ ^[0-9]+$ ]] || return 1
        tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF -- "$2" || return 1
        echo "$pid"
}

gateway_pid() { pid_of "$pid_file" "--config $config"; }

# jobgate-slurm-as-user's; only with Slurm.
as_user_pid() { pid_of "$as_user_pid_file" "--socket $as_user_socket"; }

# stop_server gateway|as_user: asks it to end, waits, and then ends it.
stop_server() {
        local pid tries
        pid=$("$1_pid") || return 0
        kill -TERM "$pid" 2>/dev/null || true
        for ((tries = 0; tries < 300; tries++)); do
                "$1_pid" >/dev/null || return 0
                sleep 0.1
        done
        kill -KILL "$pid" 2>/dev/null || true
}

# The state letter of PostgreSQL's first process, Z when it was killed and is not buried yet;
# nothing when there is none. Reading it takes the privileges of who owns the folder, or root's.
cluster_state() {
        local pid
        pid=$(head -n 1 "$state/pg/postmaster.pid" 2>/dev/null) || return 0
        [[ $pid =~ ^[0-9]+$ && $(cat "/proc/$pid/comm" 2>/dev/null) == postgres ]] || return 0
        cut -d ' ' -f 3 "/proc/$pid/stat" 2>/dev/null || true
}

cluster_runs() {
        [[ $(cluster_state) == [^Z] ]]
}
