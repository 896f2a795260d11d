# shellcheck shell=bash
# Fake nodes: objects that kwok keeps alive, with pods that are Running as soon as they are placed.
# shellcheck disable=SC2154 # settings.sh says where `here` is from

kwok_run() {
    local tools
    tools=$("$here/build" tools)
    (
        # shellcheck disable=SC2030,SC2034 # only this one program is from there
        BIN=$tools
        control_run kwok --kubeconfig "$KUBE_DIR/kubeconfig" --config "$tools/../kwok-stages.yaml" \
            --manage-nodes-with-annotation-selector kwok.x-k8s.io/node=fake --node-lease-duration-seconds 40
    )
}

kwok_node() { # NUMBER
    local name="fake-$1"
    cat <<EOF
---
apiVersion: v1
kind: Node
metadata:
  name: $name
  annotations: {kwok.x-k8s.io/node: fake}
  labels:
    kubernetes.io/arch: amd64
    kubernetes.io/os: linux
    kubernetes.io/hostname: $name
    topology.kubernetes.io/zone: $(node_zone "n$1")
    topology.kubernetes.io/region: $REGION
status:
  allocatable: {cpu: 16, memory: 64Gi, pods: 110}
  capacity: {cpu: 16, memory: 64Gi, pods: 110}
EOF
}

kwok_up() { # HOW-MANY
    local number
    kwok_run
    for number in $(seq "$1"); do kwok_node "$number"; done >"$KUBE_DIR/fake-nodes.yaml"
    kubectl apply -f "$KUBE_DIR/fake-nodes.yaml" >/dev/null
    until_done 120 'every fake node Ready' all_nodes_ready "$1"
    say "$1 fake nodes are Ready"
}
