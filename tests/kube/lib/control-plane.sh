# shellcheck shell=bash
# shellcheck disable=SC2154 # settings.sh says where `here` is from
# etcd, the API server, the controllers and the scheduler, as processes of the host.

# Runs a program in the background in the control plane's cgroup, with a log of its own. Nothing of the
# caller's stays open in it, or whoever reads the caller's output would wait for the cluster's end.
control_run() { # PROGRAM ARGUMENTS...
    local program=$1
    shift
    (
        cgroup_join control
        exec setsid "$BIN/$program" "$@"
    ) >>"$KUBE_DIR/log/$program.log" 2>&1 </dev/null 9<&- &
    echo $! >"$KUBE_DIR/pids/$program"
}

# The same for a program that ends when it has come to doubt itself, as the scheduler does after an API
# server was away: on other clusters a kubelet starts it again.
control_keep() { # PROGRAM ARGUMENTS...
    local program=$1
    shift
    (
        cgroup_join control
        # shellcheck disable=SC2016 # expanded there
        exec setsid bash -c 'while :; do "$@" || true; sleep 1; done' "$program" "$BIN/$program" "$@"
    ) >>"$KUBE_DIR/log/$program.log" 2>&1 </dev/null 9<&- &
    echo $! >"$KUBE_DIR/pids/$program"
}

# Losing the test's objects with the power is no loss: etcd need not wait for the disk.
run_etcd() {
    control_run etcd --name test --data-dir "$KUBE_DIR/etcd" --unsafe-no-fsync --log-level warn \
        --listen-client-urls http://127.0.0.1:23790 --advertise-client-urls http://127.0.0.1:23790 \
        --listen-peer-urls http://127.0.0.1:23800 --initial-advertise-peer-urls http://127.0.0.1:23800 \
        --initial-cluster test=http://127.0.0.1:23800
}

# Pod Security and ValidatingAdmissionPolicy are on by default. Pods leave a node that is gone after
# 30 s in place of 5 min. Webhooks are reached by the addresses of their pods, as the host has no
# kube-proxy.
run_apiserver() {
    control_run kube-apiserver --etcd-servers=http://127.0.0.1:23790 \
        --bind-address="$GATEWAY" --advertise-address="$GATEWAY" --secure-port=6443 \
        --service-cluster-ip-range="$SERVICES" --allow-privileged=true \
        --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction \
        --default-not-ready-toleration-seconds=30 --default-unreachable-toleration-seconds=30 \
        --enable-aggregator-routing=true --profiling=false --v=1 \
        --client-ca-file="$PKI/ca.crt" \
        --tls-cert-file="$PKI/apiserver.crt" --tls-private-key-file="$PKI/apiserver.key" \
        --kubelet-client-certificate="$PKI/apiserver-kubelet.crt" \
        --kubelet-client-key="$PKI/apiserver-kubelet.key" --kubelet-preferred-address-types=InternalIP \
        --service-account-issuer=https://kubernetes.default.svc.cluster.local \
        --service-account-signing-key-file="$PKI/accounts.key" --service-account-key-file="$PKI/accounts.pub" \
        --requestheader-client-ca-file="$PKI/front-proxy-ca.crt" \
        --requestheader-allowed-names=front-proxy --requestheader-username-headers=X-Remote-User \
        --requestheader-group-headers=X-Remote-Group --requestheader-extra-headers-prefix=X-Remote-Extra- \
        --proxy-client-cert-file="$PKI/front-proxy.crt" --proxy-client-key-file="$PKI/front-proxy.key"
}

apiserver_signal() { # SIGNAL
    kill "-$1" "$(cat "$KUBE_DIR/pids/kube-apiserver")"
}

apiserver_has_ended() {
    [ ! -d "/proc/$(cat "$KUBE_DIR/pids/kube-apiserver")" ]
}

# Without higher limits the controllers' own throttle takes six seconds of a start. A node is NotReady
# when it has been silent for 16 s.
run_controllers() {
    control_keep kube-controller-manager --bind-address=127.0.0.1 --leader-elect=false --profiling=false --v=1 \
        --kubeconfig="$PKI/controllers.kubeconfig" --authentication-kubeconfig="$PKI/controllers.kubeconfig" \
        --authorization-kubeconfig="$PKI/controllers.kubeconfig" --use-service-account-credentials=true \
        --kube-api-qps=500 --kube-api-burst=1000 --allocate-node-cidrs=false \
        --node-monitor-period=1s --node-monitor-grace-period=16s \
        --service-account-private-key-file="$PKI/accounts.key" --root-ca-file="$PKI/ca.crt" \
        --cluster-signing-cert-file="$PKI/ca.crt" --cluster-signing-key-file="$PKI/ca.key"
    control_keep kube-scheduler --bind-address=127.0.0.1 --leader-elect=false --profiling=false --v=1 \
        --kubeconfig="$PKI/scheduler.kubeconfig" --authentication-kubeconfig="$PKI/scheduler.kubeconfig" \
        --authorization-kubeconfig="$PKI/scheduler.kubeconfig" --kube-api-qps=500 --kube-api-burst=1000
    control_run provisioner -kubeconfig "$KUBE_DIR/kubeconfig" -nodes "$KUBE_DIR/nodes" -addresses "$ADDRESSES"
}

# Folders, certificates, the network, etcd and the API server; the nodes can start beside it.
control_plane_begin() {
    mkdir -p "$KUBE_DIR"/{log,pids,nodes,images,registries}
    pki_control_plane
    say 'certificates are made'
    network_up
    cgroup_make control
    run_etcd
    run_apiserver
}

control_plane_finish() {
    until_done 120 'the API server' kubectl get --raw /readyz
    say 'the API server is ready'
    run_controllers
    kubectl apply -f "$here/manifests/storage.yaml" >/dev/null
    until_done 60 'the controllers' kubectl get serviceaccount default
    say 'the controllers work'
}
