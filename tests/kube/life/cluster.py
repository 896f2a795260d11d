"""One MessageCluster under test: how it is made, changed, and what it says of itself."""

from .kubectl import until

NAME = "orders"
# Where clients outside begin, on every node.
NODE_PORT = 31094
ZONES = 3


def resource(replicas, version, image, settings):
    """A small cluster with a listener for clients inside and one for those outside."""
    spec = {
        "replicas": replicas,
        "version": version,
        "storage": {"size": "1Gi"},
        "resources": {
            "requests": {"cpu": "50m", "memory": "256Mi"},
            "limits": {"memory": "768Mi"},
        },
        "listeners": [
            {"name": "INTERNAL", "port": 9092},
            {"name": "EXTERNAL", "port": 9094, "type": "NodePort", "nodePort": NODE_PORT},
        ],
    }
    if image:
        spec["image"] = image
    if settings:
        spec["settings"] = settings
    return {
        "apiVersion": "holdfast.io/v1alpha1",
        "kind": "MessageCluster",
        "metadata": {"name": NAME},
        "spec": spec,
    }


def topic(name, partitions=12, cluster=NAME):
    return {
        "apiVersion": "holdfast.io/v1alpha1",
        "kind": "MessageTopic",
        "metadata": {"name": name},
        "spec": {
            "cluster": cluster,
            "partitions": partitions,
            "replicas": 3,
            "settings": {"min.insync.replicas": "2"},
        },
    }


class Cluster:
    """The cluster, seen through its resource."""

    def __init__(self, namespace):
        self.namespace = namespace

    def get(self):
        return self.namespace.get("messagecluster", NAME)

    def status(self):
        return self.get().get("status", {})

    def change(self, spec):
        self.namespace.patch("messagecluster", NAME, {"spec": spec})

    def condition(self, kind):
        for condition in self.status().get("conditions", []):
            if condition["type"] == kind:
                return condition["status"], condition["reason"], condition["message"]
        return None

    def is_settled(self):
        """Everything that is wished is there, and the operator says so of this very generation."""
        seen = self.get()
        status = seen.get("status", {})
        if status.get("observedGeneration") != seen["metadata"]["generation"]:
            return False
        said = {one["type"]: one["status"] for one in status.get("conditions", [])}
        wanted = seen["spec"]["replicas"]
        return (
            said.get("Ready") == "True"
            and said.get("Safe") == "True"
            and status.get("plan", {}).get("state") == "Idle"
            and status.get("readyReplicas") == wanted
        )

    def settle(self, seconds=300):
        until(f"{NAME} is settled", self.is_settled, seconds)

    def pods(self):
        """The brokers' pods, by the broker's id."""
        pods = self.namespace.items("pods", "--selector", f"app.kubernetes.io/instance={NAME}")
        return {int(pod["metadata"]["name"].rsplit("-", 1)[1]): pod for pod in pods}

    def controller(self):
        """The broker that is the controller. There is none for a moment, now and then."""
        return until("there is a controller", lambda: self.status().get("controller"), 60)

    def uids(self):
        return {broker: pod["metadata"]["uid"] for broker, pod in self.pods().items()}

    def node_of(self, broker):
        return self.pods()[broker]["spec"].get("nodeName")

    def claims(self):
        """What must outlive everything: the claims, with their uids and volumes."""
        claims = self.namespace.items("persistentvolumeclaims")
        return {
            claim["metadata"]["name"]: (claim["metadata"]["uid"], claim["spec"].get("volumeName"))
            for claim in claims
        }

    def acts(self):
        return [(act["at"], act["act"], act["reason"]) for act in self.status().get("acts", [])]

    def permits(self, before):
        """The permits under which brokers were stopped since the acts of `before`: rounds of a roll. That one
        was got may be told twice, by an operator that was killed and by the next."""
        since = [act for act in self.acts() if act not in before]
        return {reason for _, act, reason in since if act.startswith("stopped") and "permit" in reason}
