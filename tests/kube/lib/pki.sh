# shellcheck shell=bash
# Keys, certificates and kubeconfigs of one cluster. They live as long as it does.

PKI="$KUBE_DIR/pki"

pki_key() { # NAME
    openssl ecparam -name prime256v1 -genkey -noout -out "$PKI/$1.key"
}

pki_authority() { # NAME
    pki_key "$1"
    openssl req -x509 -new -key "$PKI/$1.key" -subj "/CN=$1" -days 365 -out "$PKI/$1.crt" \
        -addext keyUsage=critical,keyCertSign,cRLSign,digitalSignature
}

pki_certificate() { # NAME AUTHORITY SUBJECT [EXTENSION...]
    local name=$1 authority=$2 subject=$3
    shift 3
    [ $# -gt 0 ] || set -- extendedKeyUsage=clientAuth keyUsage=digitalSignature
    pki_key "$name"
    openssl req -new -key "$PKI/$name.key" -subj "$subject" \
        | openssl x509 -req -CA "$PKI/$authority.crt" -CAkey "$PKI/$authority.key" -CAcreateserial -days 365 \
            -out "$PKI/$name.crt" -extfile <(printf '%s\n' "$@") 2>/dev/null
}

# A client with its certificate, and a kubeconfig that holds it whole: it works wherever it is copied.
pki_client() { # NAME SUBJECT FILE
    pki_certificate "$1" ca "$2"
    cat >"$3" <<EOF
apiVersion: v1
kind: Config
clusters:
- name: holdfast-test
  cluster: {server: "https://$GATEWAY:6443", certificate-authority-data: $(base64 -w 0 "$PKI/ca.crt")}
users:
- name: $1
  user:
    client-certificate-data: $(base64 -w 0 "$PKI/$1.crt")
    client-key-data: $(base64 -w 0 "$PKI/$1.key")
contexts:
- name: $1
  context: {cluster: holdfast-test, user: $1}
current-context: $1
EOF
}

pki_control_plane() {
    mkdir -p "$PKI"
    chmod 700 "$PKI"
    pki_authority ca
    pki_authority front-proxy-ca
    local names=DNS:localhost,IP:127.0.0.1,IP:$GATEWAY,IP:${SERVICES%.*/*}.1 name
    for name in kubernetes kubernetes.default kubernetes.default.svc kubernetes.default.svc.cluster.local; do
        names+=",DNS:$name"
    done
    pki_certificate apiserver ca /CN=kube-apiserver extendedKeyUsage=serverAuth "subjectAltName=$names"
    pki_certificate apiserver-kubelet ca /O=system:masters/CN=apiserver-kubelet
    pki_certificate front-proxy front-proxy-ca /CN=front-proxy
    pki_client admin /O=system:masters/CN=admin "$KUBE_DIR/kubeconfig"
    pki_client controllers /CN=system:kube-controller-manager "$PKI/controllers.kubeconfig"
    pki_client scheduler /CN=system:kube-scheduler "$PKI/scheduler.kubeconfig"
    pki_client proxy /CN=system:kube-proxy "$PKI/proxy.kubeconfig"
    # What signs the tokens of service accounts.
    pki_key accounts
    openssl ec -in "$PKI/accounts.key" -pubout -out "$PKI/accounts.pub" 2>/dev/null
}

pki_node() { # NODE
    pki_client "$1" "/O=system:nodes/CN=system:node:$1" "$PKI/$1.kubeconfig"
}
