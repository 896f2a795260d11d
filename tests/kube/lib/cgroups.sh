# shellcheck shell=bash
# Every process of the cluster lives in a cgroup of its node, or in that of the control plane: the
# kernel keeps the list of what is ours, through forks and crashes, and freezes or ends it at once.
#
# The v2 hierarchy does that, also where it is mounted beside those of v1 and has no controllers. A
# node's own processes are in its group `init`, since in v2 a group with children holds no processes.

cgroup_mounts() {
    findmnt -nro TARGET -t cgroup,cgroup2
}

# Where the v2 hierarchy is mounted.
cgroup_v2() {
    findmnt -nro TARGET -t cgroup2 | head -n 1
}

# Whether v2 is all there is, and its controllers have to be handed down.
cgroup_is_v2_only() {
    [ -f /sys/fs/cgroup/cgroup.controllers ]
}

cgroup_make() { # NAME
    local mount path file controller
    [ -n "$(cgroup_v2)" ] || fail 'no cgroup2 is mounted: the kernel or its start is too old'
    for mount in $(cgroup_mounts); do
        mkdir -p "$mount/$CGROUP/$1/init"
        # A new cpuset of v1 is empty and takes no process.
        if [ -f "$mount/cpuset.cpus" ]; then
            for path in "$CGROUP" "$CGROUP/$1" "$CGROUP/$1/init"; do
                for file in cpuset.cpus cpuset.mems; do
                    cat "$mount/$file" >"$mount/$path/$file"
                done
            done
        fi
    done
    if cgroup_is_v2_only; then
        mount=$(cgroup_v2)
        for path in . "$CGROUP" "$CGROUP/$1"; do
            tr ' ' '\n' <"$mount/$path/cgroup.controllers" | while read -r controller; do
                echo "+$controller" >"$mount/$path/cgroup.subtree_control" 2>/dev/null || true
            done
        done
    fi
}

# The calling process moves.
cgroup_join() { # NAME
    local mount
    for mount in $(cgroup_mounts); do
        echo "$BASHPID" >"$mount/$CGROUP/$1/init/cgroup.procs"
    done
}

cgroup_has_processes() { # NAME
    grep -qs '^populated 1' "$(cgroup_v2)/$CGROUP/$1/cgroup.events"
}

cgroup_processes() { # NAME
    find "$(cgroup_v2)/$CGROUP/$1" -name cgroup.procs -exec cat {} + 2>/dev/null | sort -un
}

cgroup_freeze() { # NAME 1|0
    local events
    events="$(cgroup_v2)/$CGROUP/$1/cgroup.events"
    echo "$2" >"${events%.events}.freeze"
    until_done 10 "freezing $1" grep -q "^frozen $2" "$events"
}

cgroup_is_frozen() { # NAME
    grep -qs '^1' "$(cgroup_v2)/$CGROUP/$1/cgroup.freeze"
}

# SIGKILL for all of them at the same time, also for frozen ones.
cgroup_kill() { # NAME, or nothing for all that is ours
    local kill
    kill="$(cgroup_v2)/$CGROUP${1:+/$1}/cgroup.kill"
    [ -e "$kill" ] || return 0
    echo 1 >"$kill"
    until_done 60 "ending the processes of ${1:-the cluster}" cgroup_is_over "${1:-}"
}

cgroup_is_over() { # NAME
    ! cgroup_has_processes "$1"
}

# Removes a group and all below it. With stale groups of dead containers, a kubelet starts 3 s later
# for each of them.
cgroup_remove() { # NAME, or nothing for all that is ours
    local groups attempt
    for attempt in $(seq 50); do
        mapfile -t groups < <(cgroup_mounts | sed "s,\$,/$CGROUP${1:+/$1},")
        # The kernel takes a moment to see that a group is empty.
        find "${groups[@]}" -depth -type d -exec rmdir {} + 2>/dev/null || true
        [ -n "$(find "${groups[@]}" -maxdepth 0 2>/dev/null)" ] || return 0
        sleep 0.1
    done
    echo "warning: after $attempt tries there still are cgroups of ${1:-the cluster}" >&2
}
