# How the scripts of deploy/ say what they do, and install packages. Sourced; the caller has
# set -Eeuo pipefail, writes for people to standard output, keeps descriptors 3 and 9 to itself,
# and sets program, steps (how many there are) and logs (a folder).
# shellcheck shell=bash

step=0

die() {
        # shellcheck disable=SC2154
        echo "$program: $*" >&2
        exit 1
}

say() {
        echo "      $*"
}

next_step() {
        step=$((step + 1))
        # shellcheck disable=SC2154
        echo "[$step/$steps] $*"
}

# logged LOG COMMAND…: runs it with its output in a file; a sign of life every ten seconds.
# On failure the last line of the file is shown.
logged() {
        # shellcheck disable=SC2154
        local log=$logs/$1.log started=$SECONDS pid ticker status=0
        shift
        "$@" >"$log" 2>&1 </dev/null 3>&- 9>&- &
        pid=$!
        (
                exec 3>&- 8>&- 9>&-
                # Nobody who waits for the end of our output is to wait for this sleep.
                while sleep 10 >/dev/null 2>&1; do
                        echo "      … $((SECONDS - started)) s: $(tail -n 1 "$log" | cut -c 1-70)"
                done
        ) &
        ticker=$!
        wait "$pid" || status=$?
        kill "$ticker" 2>/dev/null || true
        wait "$ticker" 2>/dev/null || true
        if ((status != 0)); then
                grep -v '^[[:space:]]*$' "$log" | tail -n 5 | cut -c 1-200 || true
                die "step $step failed; all of its output is in $log"
        fi
        ((SECONDS - started < 2)) || say "done in $((SECONDS - started)) s"
}

missing_packages() {
        local have
        have=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 2>/dev/null | sed -n 's/^installed //p' | sort -u)
        comm -23 <(printf '%s\n' "$@" | sort -u) <(echo "$have") | paste -sd ' '
}

# Installs those of the packages that are missing. None of them starts a service.
install_packages() {
        local missing
        missing=$(missing_packages "$@")
        if [[ -z $missing ]]; then
                return 0
        fi
        [[ $EUID -eq 0 ]] || die "root is needed to install: $missing"
        say "installing $missing"
        # shellcheck disable=SC2086,SC2016
        logged packages sh -c 'export DEBIAN_FRONTEND=noninteractive
                policy=/usr/sbin/policy-rc.d
                if [ ! -e $policy ]; then
                        printf "#!/bin/sh\nexit 101\n" >$policy
                        chmod +x $policy
                        trap "rm -f $policy" EXIT
                fi
                apt-get update -q && apt-get install -q -y --no-install-recommends "$@"' sh $missing
}
