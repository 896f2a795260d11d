# shellcheck shell=bash
# The life of a node, from power on to power off.
# shellcheck disable=SC2154 # settings.sh says where `here` is from

node_is_on() { # NODE
    cgroup_has_processes "$1"
}

node_start() { # NODE
    local node=$1 folder="$KUBE_DIR/nodes/$1"
    if node_is_on "$node"; then fail "$node is on already"; fi
    if [ ! -e "$folder/settings" ]; then
        pki_node "$node"
        write_node_config "$node"
    fi
    # What the host mounts in here while the node runs shows up in the node.
    if ! is_mounted "$folder/volumes"; then
        mount --bind "$folder/volumes" "$folder/volumes"
        mount --make-shared "$folder/volumes"
    fi
    disks_mount "$node"
    cgroup_make "$node"
    network_plug "$node"
    # As slaves the node's mounts follow the host's and never the other way round.
    (
        cgroup_join "$node"
        exec setsid nsenter --net="/run/netns/$NETNS$node" unshare --mount --propagation slave --pid --uts --ipc \
            --fork --kill-child --mount-proc "$here/lib/node-init" "$folder"
    ) >>"$folder/log/init.log" 2>&1 </dev/null 9<&- &
    echo $! >"$folder/pid"
}

# Power off. The plug first, so that no connection is told; then every process at once; then what the
# kernel had not yet written is lost, as it would be with the power.
node_kill() { # NODE [keep]
    network_unplug "$1"
    cgroup_kill "$1"
    if [ "${2:-}" != keep ]; then disks_lose_power "$1"; fi
    cgroup_remove "$1"
    rm -f "$KUBE_DIR/nodes/$1/pid"
}

# The process that is number 1 inside the node.
node_init_pid() { # NODE
    local outer
    outer=$(cat "$KUBE_DIR/nodes/$1/pid" 2>/dev/null) || fail "$1 is off"
    ps -o pid= --ppid "$outer" | tr -d ' ' | grep . || fail "$1 is off"
}

node_exec() { # NODE COMMAND...
    local node=$1 pid
    shift
    pid=$(node_init_pid "$node")
    nsenter --target "$pid" --mount --pid --uts --ipc --net -- "$@"
}

disks() { # NODE
    find "$KUBE_DIR/nodes/$1/volumes" -maxdepth 1 -name '*.img' 2>/dev/null | sort
}

# By the kernel's list: a disk that fails answers `mountpoint` with an error.
is_mounted() { # PLACE
    awk -v place="$1" '$5 == place { found = 1 } END { exit !found }' /proc/self/mountinfo
}

disks_mount() { # NODE
    local image
    for image in $(disks "$1"); do
        is_mounted "${image%.img}" || mount -o loop "$image" "${image%.img}"
    done
}

# A shutdown of an XFS drops what no sync has asked for; the next mount replays the journal. The
# kernel takes the dead node's own mounts down a little later, and only then is the disk free.
disks_lose_power() { # NODE
    local image
    for image in $(disks "$1"); do
        is_mounted "${image%.img}" || continue
        # A test may have done it before, and then nothing works there but the unmount.
        xfs_io -x -c shutdown "${image%.img}" 2>/dev/null || true
        umount --no-canonicalize "${image%.img}"
        until_done 60 "unmounting $image" is_free "$image"
    done
}

is_free() { # DISK
    [ -z "$(losetup --noheadings --associated "$1")" ]
}

# Copies an image archive to where starting nodes look for it, and into the nodes that run.
import_image() { # ARCHIVE
    local archive node pids=() pid
    archive="$(sha256sum "$1" | cut -c1-16).tar"
    cp --reflink=auto "$1" "$KUBE_DIR/images/$archive.new"
    mv "$KUBE_DIR/images/$archive.new" "$KUBE_DIR/images/$archive"
    for node in $(nodes); do
        if ! node_is_on "$node" || cgroup_is_frozen "$node"; then continue; fi
        (
            node_exec "$node" ctr --namespace k8s.io images import "$KUBE_DIR/images/$archive" >/dev/null
            touch "$KUBE_DIR/nodes/$node/imported/$archive"
        ) &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do
        wait "$pid" || fail "an import failed"
    done
}

# on, off, paused, and whether something is cut off.
node_state() { # NODE
    local state=off
    if cgroup_is_frozen "$1"; then state=paused; elif node_is_on "$1"; then state=on; fi
    if has_cuts "$1"; then state+=" (cut from $(sort -u "$KUBE_DIR/nodes/$1/cuts" | tr '\n' ' ' | sed 's/ $//'))"; fi
    echo "$state"
}

all_nodes_ready() { # HOW-MANY
    [ "$(kubectl get nodes --no-headers | grep -c ' Ready ')" = "$1" ]
}

nodes_finish() { # HOW-MANY
    until_done 180 'every node Ready' all_nodes_ready "$1"
    say "$1 nodes are Ready"
    kubectl apply -f "$here/manifests/dns.yaml" >/dev/null
    kubectl -n kube-system wait --for=condition=Available deployment/coredns --timeout=180s >/dev/null
    say 'names resolve'
}
