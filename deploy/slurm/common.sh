# What deploy/slurm/up and deploy/slurm/down share. Sourced; the caller has set -Eeuo pipefail.
# shellcheck shell=bash

program=deploy/slurm/${0##*/}
state=/var/lib/jobgate-slurm

# shellcheck source=deploy/steps.sh
. "$(dirname "${BASH_SOURCE[0]}")/../steps.sh"

# Sets the names of everything in the state folder.
# shellcheck disable=SC2034
use_state() {
        [[ $1 == /* ]] || die "--dir needs an absolute path, not '$1'"
        state=${1%/}
        [[ -n $state ]] || die "--dir cannot be the root folder"
        # A socket's path has 107 bytes at most.
        ((${#state} <= 80)) || die "the path of --dir is too long (80 bytes at most): $state"
        [[ $state =~ ^[A-Za-z0-9/._-]+$ ]] || die "--dir may hold letters, digits and / . _ - only: Slurm reads others its own way"
        etc=$state/etc
        logs=$state/log
        pids=$state/run
        slurm_conf=$etc/slurm.conf
        munge_socket=$state/munge/socket
        export SLURM_CONF=$slurm_conf
}

# The pid of one of our servers, when it runs: a pid file may outlive it, and pids are used again.
server_pid() {
        local pid
        pid=$(cat "$pids/$1.pid" 2>/dev/null) || return 1
        [[ $pid =~ ^[0-9]+$ && $(cut -d ' ' -f 3 "/proc/$pid/stat" 2>/dev/null) == [^Z] ]] || return 1
        grep -qzF -- "$state/" "/proc/$pid/cmdline" "/proc/$pid/environ" 2>/dev/null || return 1
        echo "$pid"
}

# stop_server NAME [SECONDS]: asks, waits, and then ends it.
stop_server() {
        local pid tries
        if pid=$(server_pid "$1"); then
                kill -TERM "$pid" 2>/dev/null || true
                kill -CONT "$pid" 2>/dev/null || true
                for ((tries = ${2:-10} * 10; tries > 0; tries--)); do
                        server_pid "$1" >/dev/null || break
                        sleep 0.1
                done
                ! server_pid "$1" >/dev/null || kill -KILL "$pid" 2>/dev/null || true
        fi
        rm -f "$pids/$1.pid"
}

# The nodes of the configuration, one a line.
nodes() {
        sed -n 's/^NodeName=\([^ ]*\) .*/\1/p' "$slurm_conf"
}
