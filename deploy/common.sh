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

# The gateway's pid, when it runs: the pid file may outlive it, and pids are used again.
gateway_pid() {
        local pid
        pid=$(cat "$pid_file" 2>/dev/null) || return 1
        [[ $pid =~ ^[0-9]+$ ]] || return 1
        tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF -- "--config $config" || return 1
        echo "$pid"
}

stop_gateway() {
        local pid tries
        pid=$(gateway_pid) || return 0
        kill -TERM "$pid" 2>/dev/null || true
        for ((tries = 0; tries < 300; tries++)); do
                gateway_pid >/dev/null || return 0
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
