# shellcheck shell=bash disable=SC2034 # what the other files use
# Names and numbers that all parts of the cluster share, and the few functions that everything uses.

# The caller sets `here` (the folder tests/kube) and `BIN` (that of the programs).
KUBE_DIR="${HOLDFAST_KUBE_DIR:-/tmp/holdfast-kube}"

# Everything of ours in the kernel bears one of these names, so that `down` finds it after any crash.
BRIDGE=hfk0         # the network of the nodes
VETH=hfkv           # hfkv3 is the plug of node n3 in the bridge
NETNS=hfk-          # hfk-n3 is the network namespace of node n3
CGROUP=holdfast-kube

MOST_NODES=12
ZONES=(a b c)
REGION="test"

# Node nI is 10.77.0.(10+I), its pods are 10.244.I.0/24. The host is the gateway and runs the control
# plane.
GATEWAY=10.77.0.1
SERVICES=10.96.0.0/16
DNS_SERVICE=10.96.0.10
ADDRESSES=10.98.0.0/24   # of Services of the type LoadBalancer
node_address() { echo "10.77.0.$((10 + ${1#n}))"; }
node_pods() { echo "10.244.${1#n}.0/24"; }
node_zone() { echo "${ZONES[(${1#n} - 1) % ${#ZONES[@]}]}"; }

fail() {
    echo "error: $*" >&2
    exit 1
}

# Progress, with the seconds since the command began.
began=${EPOCHREALTIME/./}
say() {
    local tenths=$(((${EPOCHREALTIME/./} - began) / 100000))
    printf '[%3d.%d s] %s\n' $((tenths / 10)) $((tenths % 10)) "$*" >&2
}

# Tries a command ten times a second until it succeeds.
until_done() { # SECONDS WHAT COMMAND...
    local end=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || fail "$what: not after all this time; the logs are in $KUBE_DIR/log"
        sleep 0.1
    done
}

nodes() {
    [ -d "$KUBE_DIR/nodes" ] || return 0
    find "$KUBE_DIR/nodes" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort -V
}

nodes_of_zone() { # ZONE
    local node
    for node in $(nodes); do
        if [ "$(node_zone "$node")" = "$1" ]; then echo "$node"; fi
    done
}

need_node() { # NODE
    if [ -z "$1" ] || [ ! -d "$KUBE_DIR/nodes/$1" ]; then
        fail "no node '$1'; there are: $(nodes | tr '\n' ' ')"
    fi
}

need_zone() { # ZONE
    [ -n "$(nodes_of_zone "$1")" ] || fail "no zone '$1'; there are: ${ZONES[*]}"
}

kubectl() {
    "$BIN/kubectl" --kubeconfig "$KUBE_DIR/kubeconfig" "$@"
}
