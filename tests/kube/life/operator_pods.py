"""The operator under test: killed and sent away."""

import contextlib
import threading

from .kubectl import Failed, Namespace, until

NAME = "holdfast-operator"


class Kills:
    """Kills the operator that leads, whenever the status shows what it did not show before: an act, or
    another number of brokers that serve."""

    def __init__(self, operator, cluster):
        self.operator, self.cluster = operator, cluster
        self.count = 0
        self.stop = threading.Event()
        self.known = self.shown()
        self.thread = threading.Thread(target=self.go_on, daemon=True)

    def shown(self):
        return set(self.cluster.acts()), self.cluster.status().get("serving")

    def go_on(self):
        while not self.stop.wait(0.1):
            with contextlib.suppress(Failed):
                shown = self.shown()
                if shown != self.known and self.operator.kill():
                    self.count += 1
                self.known = shown


class Operator:
    """Its deployment."""

    def __init__(self, namespace):
        self.namespace = Namespace(namespace)

    def leader(self):
        """The name of the pod that holds the lease."""
        lease = self.namespace.get("lease", NAME)
        return lease["spec"].get("holderIdentity") or ""

    def kill(self):
        """Kills the pod that leads, without a chance to say farewell. Says whether there was one."""
        leader = self.leader()
        names = [pod["metadata"]["name"] for pod in self.namespace.items("pods")]
        killed = [name for name in names if leader and leader.startswith(name)]
        for name in killed:
            self.namespace.kubectl(
                "delete", "pod", name, "--grace-period=0", "--force", "--wait=false"
            )
        return bool(killed)

    def scale(self, replicas):
        self.namespace.kubectl("scale", "deployment", NAME, f"--replicas={replicas}")
        gone = "the operator is gone" if replicas == 0 else "the operator is there"

        def is_there():
            status = self.namespace.get("deployment", NAME).get("status", {})
            pods = len(self.namespace.items("pods"))
            return status.get("readyReplicas", 0) == replicas and (replicas > 0 or pods == 0)

        until(gone, is_there, 120)

    def image_of(self, version):
        """The image that it runs, in another version."""
        return self.image().rsplit(":", 1)[0] + ":" + version

    def image(self):
        return self.namespace.get("deployment", NAME)["spec"]["template"]["spec"]["containers"][0]["image"]

    def set_image(self, image):
        self.namespace.kubectl("set", "image", f"deployment/{NAME}", f"*={image}")
        self.namespace.kubectl(
            "rollout", "status", f"deployment/{NAME}", "--timeout=120s", timeout=150
        )

    @contextlib.contextmanager
    def killed_after_every_act(self, cluster):
        kills = Kills(self, cluster)
        kills.thread.start()
        try:
            yield kills
        finally:
            kills.stop.set()
            kills.thread.join(timeout=30)
