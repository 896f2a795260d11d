"""Clients inside the cluster: a job that writes and reads with kcat, under the restricted standard."""

from .cluster import NAME

RECORDS = 10_000

SCRIPT = f"""
set -eu
seq 1 {RECORDS} | kcat -P -b "$BOOTSTRAP" -t inside -X enable.idempotence=true -X acks=all
kcat -C -b "$BOOTSTRAP" -t inside -o beginning -e -q >/tmp/read
sort -n /tmp/read | uniq >/tmp/once
seq 1 {RECORDS} | diff -q - /tmp/once
test "$(wc -l </tmp/read)" = {RECORDS}
echo read $(wc -l </tmp/read) records, each once
"""


def job(image, bootstrap):
    """The job. Its name is that of the cluster's client."""
    container = {
        "name": "kcat",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["bash", "-c", SCRIPT],
        "env": [{"name": "BOOTSTRAP", "value": bootstrap}],
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    pod = {
        "restartPolicy": "Never",
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": f"{NAME}-client"},
        "spec": {"backoffLimit": 0, "template": {"spec": pod}},
    }
