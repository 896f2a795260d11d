"""Clients inside the cluster: jobs that write and read with kcat, under the restricted standard."""

from .kubectl import Failed, until

RECORDS = 10_000
TOPIC = "inside"

WRITE = f"""
seq 1 {RECORDS} | kcat -P -b "$BOOTSTRAP" -t {TOPIC} -X enable.idempotence=true -X acks=all
"""

READ = f"""
kcat -C -b "$BOOTSTRAP" -t {TOPIC} -o beginning -e -q >/tmp/read
sort -n /tmp/read | uniq >/tmp/once
seq 1 {RECORDS} | diff -q - /tmp/once
test "$(wc -l </tmp/read)" = {RECORDS}
"""


def do(life, name, bootstrap, *scripts):
    """Runs scripts as a job of that name to its good end."""
    script = "set -euo pipefail\n" + "".join(scripts) + "echo all is well\n"
    life.namespace.apply(job(name, life.options.clients, bootstrap, script))

    def is_over():
        status = life.namespace.get(f"job/{name}").get("status", {})
        return status.get("succeeded") or status.get("failed")

    until(f"{name} ends", is_over, 120)
    said = life.namespace.kubectl("logs", f"job/{name}")
    if "all is well" not in said:
        raise Failed(f"{name}: {said}")


def job(name, image, bootstrap, script):
    """The job."""
    container = {
        "name": "kcat",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["bash", "-c", script],
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
        "metadata": {"name": name},
        "spec": {"backoffLimit": 0, "template": {"spec": pod}},
    }
