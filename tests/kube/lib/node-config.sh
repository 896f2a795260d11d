# shellcheck shell=bash
# The configuration files of a node's programs.

write_node_config() { # NODE
    local node=$1 folder="$KUBE_DIR/nodes/$1"
    mkdir -p "$folder"/{cni,containerd,kubelet,log,volumes}
    : >"$folder/resolv.conf"
    md5sum <<<"$node" | cut -c1-32 >"$folder/machine-id"
    node_settings "$node" >"$folder/settings"
    containerd_config "$folder" >"$folder/containerd.toml"
    cni_config "$node" >"$folder/cni/10-holdfast.conflist"
    kubelet_config "$node" >"$folder/kubelet.yaml"
    proxy_config >"$folder/kube-proxy.yaml"
}

# What node-init has to know.
node_settings() { # NODE
    cat <<EOF
NODE=$1
KUBE_DIR=$KUBE_DIR
BIN=$BIN
NODE_IP=$(node_address "$1")
NODE_LABELS=topology.kubernetes.io/zone=$(node_zone "$1"),topology.kubernetes.io/region=$REGION
EOF
}

# Machines without the right to raise a process's standing with the OOM killer (CAP_SYS_RESOURCE) must
# not try: hence restrict_oom_score_adj here and oomScoreAdj 0 below. A registry that tests run is
# named in registries/NAME/hosts.toml.
containerd_config() { # FOLDER-OF-THE-NODE
    cat <<EOF
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
oom_score = 0
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.internal.v1.opt"]
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "holdfast.test/pause:1"
  disable_apparmor = true
  restrict_oom_score_adj = true
  max_container_log_line_size = 262144
[plugins."io.containerd.grpc.v1.cri".registry]
  config_path = "$KUBE_DIR/registries"
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = "$1/cni"
[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "overlayfs"
  default_runtime_name = "runc"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  SystemdCgroup = false
EOF
}

cni_config() { # NODE
    cat <<EOF
{
  "cniVersion": "1.0.0",
  "name": "holdfast",
  "plugins": [
    {
      "type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true, "ipMasq": false,
      "ipam": {
        "type": "host-local",
        "ranges": [[{"subnet": "$(node_pods "$1")"}]],
        "routes": [{"dst": "0.0.0.0/0"}]
      }
    },
    {"type": "portmap", "capabilities": {"portMappings": true}, "snat": true}
  ]
}
EOF
}

# All nodes share one disk, so the thresholds of eviction are its last percent. A lease of 12 s lets
# a death be noticed after 16 (see the controllers' flags). The default of localStorageCapacityIsolation
# stays, since the eviction manager fails without.
kubelet_config() { # NODE
    cat <<EOF
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: /$CGROUP/$1
cgroupsPerQOS: true
enforceNodeAllocatable: []
failCgroupV1: false
failSwapOn: false
oomScoreAdj: 0
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: $PKI/ca.crt}
authorization: {mode: Webhook}
clusterDNS: ["$DNS_SERVICE"]
clusterDomain: cluster.local
resolvConf: $KUBE_DIR/nodes/$1/resolv.conf
hairpinMode: hairpin-veth
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
evictionHard:
  memory.available: 100Mi
  nodefs.available: 1%
  nodefs.inodesFree: 1%
  imagefs.available: 1%
nodeStatusUpdateFrequency: 4s
nodeStatusReportFrequency: 1m
nodeLeaseDurationSeconds: 12
syncFrequency: 30s
maxPods: 60
serializeImagePulls: false
registryPullQPS: 0
shutdownGracePeriod: 0s
EOF
}

# The limits of conntrack belong to the host and cannot be set from a node's network namespace.
proxy_config() {
    cat <<EOF
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
clientConnection: {kubeconfig: $PKI/proxy.kubeconfig}
clusterCIDR: 10.244.0.0/16
detectLocalMode: ClusterCIDR
oomScoreAdj: 0
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
iptables: {minSyncPeriod: 100ms, syncPeriod: 30s}
EOF
}
