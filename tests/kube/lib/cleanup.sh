# shellcheck shell=bash
# Ends the cluster and takes away everything that it made, also after a start that failed midway: it
# goes by what the kernel knows, not by what a file says.

# Every process in our cgroups, wherever they came to be.
end_processes() {
    local node
    for node in $(seq -f n%g "$MOST_NODES"); do
        network_unplug "$node"
    done
    cgroup_kill
    cgroup_remove
}

# The innermost first.
mounts() {
    findmnt -nro TARGET | awk -v folder="$KUBE_DIR/" 'index($0, folder) == 1' | tac
}

end_mounts() {
    local mount attempt
    for attempt in 1 2 3; do
        for mount in $(mounts); do
            umount --no-canonicalize "$mount" 2>/dev/null \
                || { [ "$attempt" -lt 3 ] || umount --no-canonicalize --lazy "$mount"; }
        done
        [ -n "$(mounts)" ] || return 0
        sleep 0.3
    done
}

end_loops() {
    local device file
    losetup --noheadings --raw --output NAME,BACK-FILE | while read -r device file; do
        if [[ "$file" = "$KUBE_DIR/"* ]]; then losetup --detach "$device" 2>/dev/null || true; fi
    done
}

# The first network namespace made this folder a mount.
end_namespaces_folder() {
    if [ -d /run/netns ] && [ -z "$(ls -A /run/netns)" ]; then
        umount /run/netns 2>/dev/null || true
        rmdir /run/netns 2>/dev/null || true
    fi
}

# Whether anything is left of a cluster, finished or not.
has_remains() {
    ip link show "$BRIDGE" >/dev/null 2>&1 || [ -d "$(cgroup_v2)/$CGROUP" ] || [ -d "$KUBE_DIR/pids" ] || [ -n "$(mounts)" ]
}

is_up() {
    [ -e "$KUBE_DIR/up" ] && cgroup_has_processes control
}

cluster_down() { # [keep-logs]
    [ -n "$KUBE_DIR" ] || fail 'HOLDFAST_KUBE_DIR is empty'
    end_processes
    end_mounts
    end_loops
    network_down
    end_namespaces_folder
    [ -d "$KUBE_DIR" ] || return 0
    # A disk that is still mounted would be emptied, not removed.
    if [ -n "$(mounts)" ]; then fail "still mounted below $KUBE_DIR: see findmnt"; fi
    local keep=()
    if [ "${1:-}" = keep-logs ]; then
        keep_node_logs
        keep=(! -name log)
    fi
    find "$KUBE_DIR" -mindepth 1 -maxdepth 1 "${keep[@]}" -exec rm -rf --one-file-system {} +
    rmdir "$KUBE_DIR" 2>/dev/null || true
}

keep_node_logs() {
    local node
    for node in $(nodes); do
        rm -rf "$KUBE_DIR/log/$node"
        mkdir -p "$KUBE_DIR/log"
        mv "$KUBE_DIR/nodes/$node/log" "$KUBE_DIR/log/$node" 2>/dev/null || true
    done
}
