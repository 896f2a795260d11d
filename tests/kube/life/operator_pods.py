"""The operator under test: killed and sent away."""

import contextlib
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

from .kubectl import Failed, Namespace, until

NAME = "holdfast-operator"


class Kills:
    """Kills the operator that leads: at once, and whenever the status shows what it did not show before: an
    act, another number of brokers that serve, or another answer to whether the cluster is safe."""

    def __init__(self, operator, cluster):
        self.operator, self.cluster = operator, cluster
        self.count = 0
        self.stop = threading.Event()
        self.known = None

    def shown(self):
        status = self.cluster.status()
        conditions = {one["type"]: one["status"] for one in status.get("conditions", [])}
        acts = {(act["at"], act["act"], act["reason"]) for act in status.get("acts", [])}
        return acts, status.get("serving"), conditions.get("Safe")

    def go_on(self):
        while not self.stop.wait(0.1):
            # Whoever does not answer is asked again.
            with contextlib.suppress(Failed, subprocess.TimeoutExpired):
                shown = self.shown()
                if shown == self.known:
                    continue
                if self.operator.kill():
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
        with ThreadPoolExecutor(1) as beside:
            killer = beside.submit(kills.go_on)
            try:
                yield kills
            finally:
                kills.stop.set()
            # What ended it early is raised here.
            killer.result()
