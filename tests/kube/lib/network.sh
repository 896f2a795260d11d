# shellcheck shell=bash
# A node's network namespace is plugged into a bridge of the host. Pods of other nodes are routed to
# their node, so the host reaches every pod and every node port, and is reached by pods.

network_up() {
    ip link add "$BRIDGE" type bridge
    ip address add "$GATEWAY/24" dev "$BRIDGE"
    ip link set "$BRIDGE" up
}

network_down() {
    ip link delete "$BRIDGE" 2>/dev/null || true
}

# `ip netns exec` would also remount /sys and hide the cgroups.
in_network() { # NODE COMMAND...
    local node=$1
    shift
    nsenter --net="/run/netns/$NETNS$node" "$@"
}

network_plug() { # NODE
    local node=$1 other inside
    inside=(ip -n "$NETNS$node")
    network_unplug "$node"
    ip netns add "$NETNS$node"
    ip link add "$VETH${node#n}" type veth peer name eth0 netns "$NETNS$node"
    ip link set "$VETH${node#n}" master "$BRIDGE" up
    "${inside[@]}" link set lo up
    "${inside[@]}" address add "$(node_address "$node")/24" dev eth0
    "${inside[@]}" link set eth0 up
    "${inside[@]}" route add default via "$GATEWAY"
    for other in $(seq -f n%g "$MOST_NODES"); do
        [ "$other" = "$node" ] || "${inside[@]}" route add "$(node_pods "$other")" via "$(node_address "$other")"
    done
    ip route replace "$(node_pods "$node")" via "$(node_address "$node")"
    in_network "$node" sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 \
        net.ipv4.conf.eth0.rp_filter=0
    # Without it a pod that reaches itself or its neighbour by a Service gets answers from a stranger.
    in_network "$node" sysctl -qw net.bridge.bridge-nf-call-iptables=1 \
        || echo "warning: no br_netfilter: Services fail between pods of one node" >&2
    cuts_apply "$node"
}

# The plug goes first and by itself: sockets of dead processes hold a deleted namespace for a while.
network_unplug() { # NODE
    ip link delete "$VETH${1#n}" 2>/dev/null || true
    ip netns delete "$NETNS$1" 2>/dev/null || true
}

# Cuts: packets are dropped in the node's own namespace, both ways, and nobody is told. They are kept in
# a file, one peer a line, since a node that restarts is still behind the broken cable.

# A peer is a node, `host` (the control plane and what runs beside it) or `all`.
cuts_add() { # NODE PEER...
    local node=$1 peer
    shift
    for peer in "$@"; do
        [ "$peer" = all ] || [ "$peer" = host ] || need_node "$peer"
        echo "$peer" >>"$KUBE_DIR/nodes/$node/cuts"
    done
    cuts_apply "$node"
}

cuts_remove() { # NODE
    rm -f "$KUBE_DIR/nodes/$1/cuts"
    cuts_apply "$1"
}

has_cuts() { # NODE
    [ -s "$KUBE_DIR/nodes/$1/cuts" ]
}

# Two chains of our own, filled anew. `raw` is before every other rule on the way in, and the last
# table on the way out sees what Services have become. One restore makes the change at once.
cuts_apply() { # NODE
    local node=$1 peer range rules_in='' rules_out=''
    [ -e "/run/netns/$NETNS$node" ] || return 0
    while read -r peer; do
        for range in $(peer_ranges "$peer"); do
            rules_in+="-A HOLDFAST-CUT -i eth0 -s $range -j DROP"$'\n'
            rules_out+="-A HOLDFAST-CUT -o eth0 -d $range -j DROP"$'\n'
        done
    done < <(sort -u "$KUBE_DIR/nodes/$node/cuts" 2>/dev/null)
    cuts_hook "$node" raw PREROUTING
    cuts_hook "$node" mangle POSTROUTING
    printf '*raw\n:HOLDFAST-CUT -\n%sCOMMIT\n*mangle\n:HOLDFAST-CUT -\n%sCOMMIT\n' "$rules_in" "$rules_out" \
        | in_network "$node" iptables-restore --wait --noflush
}

cuts_hook() { # NODE TABLE CHAIN
    local table=(in_network "$1" iptables --wait --table "$2")
    "${table[@]}" --new-chain HOLDFAST-CUT 2>/dev/null || return 0
    "${table[@]}" --insert "$3" --jump HOLDFAST-CUT
}

peer_ranges() { # PEER
    case "$1" in
        all) echo 0.0.0.0/0 ;;
        host) echo "$GATEWAY" ;;
        *) echo "$(node_address "$1") $(node_pods "$1")" ;;
    esac
}

# What a node of one zone cannot reach when the zone is cut off from another, or from everything.
zone_cut() { # ZONE [OTHER-ZONE]
    local node other
    for node in $(nodes_of_zone "$1"); do
        if [ -z "${2:-}" ]; then cuts_add "$node" host; fi
        for other in $(nodes); do
            [ "$(node_zone "$other")" != "$1" ] || continue
            if [ "$(node_zone "$other")" = "${2:-$(node_zone "$other")}" ]; then cuts_add "$node" "$other"; fi
        done
    done
}
