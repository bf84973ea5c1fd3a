# What `--with slurm` adds to deploy/up: a Slurm of its own in the state folder, and the backend
# `slurm` on it. Sourced by deploy/up, whose names it uses.
# shellcheck shell=bash

slurm_account=research # deploy/slurm/up makes it
# Of the first job's spec there.
# shellcheck disable=SC2034
slurm_first_job='{"backend": "slurm", "resources": {"gpus": 1, "cpus": 1, "memory": "500Mi"}}'

# A Slurm that is there is looked after by every call.
slurm_is_there() {
        # shellcheck disable=SC2154
        [[ -e $slurm_state/.jobgate-slurm ]]
}

check_slurm_options() {
        # shellcheck disable=SC2154
        if [[ $with_slurm == no ]]; then
                ((${#slurm_options[@]} == 0)) || die "--slurm-port and --slurm-name need --with slurm (see --help)"
                return 0
        fi
        [[ $EUID -eq 0 ]] || die "--with slurm needs root: Slurm starts jobs as their users"
        # shellcheck disable=SC2154
        [[ $state =~ ^[A-Za-z0-9/._-]+$ ]] ||
                die "with Slurm --dir may hold letters, digits and / . _ - only, not '$state'"
        ((${#slurm_state} <= 80)) || die "with Slurm the path of --dir is too long (74 bytes at most): $state"
}

start_slurm() {
        # shellcheck disable=SC2154
        logged slurm "$repository/deploy/slurm/up" --dir "$slurm_state" "${slurm_options[@]}"
}

# The service that is root's and acts as the users of jobs, for the gateway alone. Its log is in a
# folder that nobody but root can write to.
start_as_user() {
        local pid tries
        if pid=$(as_user_pid); then
                # That of a program which was built anew.
                [[ $(readlink "/proc/$pid/exe") == *' (deleted)' ]] || return 0
                stop_server as_user
        fi
        rm -f "$as_user_pid_file" "$as_user_socket"
        env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
                /usr/sbin/start-stop-daemon --start --quiet --background --make-pidfile --pidfile "$as_user_pid_file" \
                --chdir / --umask 022 --output "$state/as-user.log" --startas "$state/bin/jobgate-slurm-as-user" -- \
                --socket "$as_user_socket" --client "$service_user" --users "$slurm_state/etc/users" \
                --conf "$slurm_state/etc/slurm.conf" 3>&- 9>&- || die "jobgate-slurm-as-user could not be started"
        for ((tries = 0; tries < 100; tries++)); do
                [[ ! -S $as_user_socket || ! -s $as_user_pid_file ]] || return 0
                sleep 0.1
        done
        die "jobgate-slurm-as-user did not start; its log is $state/as-user.log"
}

# Nobody but the gateway may read its copy of the key: it makes anybody of whoever has it.
copy_key() {
        local key=$state/slurm.key
        # shellcheck disable=SC2154
        if ! cmp -s "$slurm_state/etc/jwt.key" "$key"; then
                install -m 400 -o "$service_user" -g "$service_user" "$slurm_state/etc/jwt.key" "$key.new"
                mv -f "$key.new" "$key"
                changed=yes
        fi
}

# The settings of the backend, as an item of the list `backends`.
slurm_section() {
        local life
        life=$(sed -n 's/^AuthInfo=.*,ttl=\([0-9]*\).*/\1/p' "$slurm_state/etc/slurm.conf" | tail -n 1)
        # shellcheck disable=SC2154
        cat <<END_OF_SECTION
- name: slurm
  type: slurm
  conf: $slurm_state/etc/slurm.conf
  jwt_key: $state/slurm.key
  directory: $state/agents
  as_user: $as_user_socket
  munge_life: ${life:-300}s
  users: [$(paste -sd , "$slurm_state/etc/users")]
END_OF_SECTION
}

add_slurm() {
        install -d -m 700 -o "$service_user" -g "$service_user" "$state/agents"
        copy_key
        add_backend slurm "$(slurm_section)"
}

# Once: whoever runs this installation may have changed it since.
give_identity() {
        local user
        [[ ! -e $state/slurm-identity ]] || return 0
        user=$(head -n 1 "$slurm_state/etc/users")
        logged identity jobgate project identity main slurm "$user" --account "$slurm_account"
        echo "$user" >"$state/slurm-identity"
        say "on Slurm the project main is the user $user with the account $slurm_account"
}

slurm_farewell() {
        # shellcheck disable=SC2154
        cat <<END_OF_WORDS
A job on Slurm, and what Slurm says of it (the user $(cat "$state/slurm-identity") is the project main there):

  curl --netrc-file $netrc_file '$url/v1/jobs?wait=60' -H 'Content-Type: application/json' \\
       -d '{"backend": "slurm", "command": ["hostname"], "resources": {"gpus": 1}}'
  SLURM_CONF=$slurm_state/etc/slurm.conf squeue

END_OF_WORDS
}
