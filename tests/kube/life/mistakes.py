"""What goes wrong around a cluster, by mistake or by bad luck: it converges or waits, and destroys nothing."""

import base64
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

from . import cluster as resources
from . import inside
from .acts import Act
from .kubectl import Failed, run, until

ADMIN_PORT = 9392
# An annotation of pods: a change of it restarts all brokers.
MARK = "example.com/marked"


def restart_marked(life, mark):
    life.cluster.change({"pod": {"annotations": {MARK: f"{life.number}-{mark}"}}})


def edited_while_it_rolls(life):
    """The resource is changed again while the first change is being carried out."""
    uids = life.cluster.uids()
    restart_marked(life, "first")
    until("the first broker restarts", lambda: life.cluster.uids() != uids, 120)
    restart_marked(life, "second")
    life.whole()
    marks = {pod["metadata"]["annotations"].get(MARK) for pod in life.cluster.pods().values()}
    if marks != {f"{life.number}-second"}:
        raise Failed(f"brokers run {marks}")


class Another:
    """A second cluster beside the one under test, of three brokers and without ports at the nodes."""

    def __init__(self, life, name):
        self.life, self.name = life, name
        self.mine = ("--selector", f"app.kubernetes.io/instance={name}")
        self.spec = resources.resource(3, life.versions[0], life.options.image, life.options.settings)
        self.spec["metadata"]["name"] = name
        self.spec["spec"]["listeners"] = [{"name": "INTERNAL", "port": 9092}]

    def make(self):
        self.life.namespace.apply(self.spec)

    def ready(self):
        self.life.namespace.kubectl(
            "wait", f"messagecluster/{self.name}", "--for=condition=Ready", "--timeout=180s", timeout=200
        )

    def writes(self):
        """Something to find again."""
        self.life.namespace.apply(resources.topic(inside.TOPIC, cluster=self.name))
        until("its topic is there", lambda: self.life.is_topic_ready(inside.TOPIC), 60)
        inside.do(self.life, f"{self.name}-writes", self.bootstrap(), inside.WRITE)

    def reads(self):
        inside.do(self.life, f"{self.name}-reads", self.bootstrap(), inside.READ)

    def bootstrap(self):
        return self.life.namespace.get("messagecluster", self.name)["status"]["bootstrap"]

    def delete(self):
        self.life.namespace.kubectl("delete", "messagecluster", self.name)
        until("its pods are gone", lambda: not self.life.namespace.items("pods", *self.mine), 150)


def deleted_while_it_is_made(life):
    """Another cluster is deleted while it is being made, and made again: the same one becomes whole."""
    another = Another(life, "short-lived")
    another.make()
    until("its first pod is there", lambda: life.namespace.items("pods", *another.mine), 60)
    another.delete()
    another.make()
    another.ready()
    another.delete()
    life.whole()


def api_server_away(life):
    """The API server hangs for a while, and is then gone for a while: nobody needs it to write or read."""
    for lose, bring_back in (("api-pause", "api-unpause"), ("api-kill", "api-start")):
        life.nodes(lose)
        try:
            time.sleep(20)
        finally:
            life.nodes(bring_back)
        until("it answers", life.cluster.get, 60)
    life.whole()


def needs_attention(life, why, *brokers):
    """Waits until the resource says that these brokers need a person, and why: in these words."""

    def said():
        known = {broker["id"]: broker for broker in life.cluster.status().get("brokers", [])}
        told = [known[b] for b in brokers if known.get(b, {}).get("state") == "NeedsAttention"]
        last.update({broker["id"]: broker.get("detail") or "nothing" for broker in told})
        return len(told) == len(brokers) and all(why in last[b] for b in brokers)

    last = {}
    try:
        until(f"brokers {brokers} need attention because of {why}", said, 150)
    finally:
        for broker, detail in last.items():
            print(f"       broker {broker}: {detail}", flush=True)


def image_of_claim(life, claim):
    """The file that is the volume of a claim, on whichever node of our own cluster."""
    volume = life.namespace.get("persistentvolumeclaim", claim)["spec"]["volumeName"]
    nodes = Path(os.environ["KUBECONFIG"]).parent / "nodes"
    images = list(nodes.glob(f"*/volumes/{volume}.img"))
    if len(images) != 1:
        raise Failed(f"the volume of {claim} is one of {images}")
    return images[0]


def image_of(life, broker):
    pod = life.cluster.pods()[broker]["metadata"]["name"]
    return image_of_claim(life, f"data-{pod}")


def without_power(life, nodes, do):
    """Does something to the disks of nodes while they are off."""
    for node in nodes:
        life.nodes("node-kill", node)
    try:
        do()
    finally:
        for node in nodes:
            life.nodes("node-start", node)


def swap(life, images):
    """Swaps what lies on two volumes. The folders of the nodes are mounts of their own."""

    def swapped():
        copies = [image.with_suffix(".other") for image in images]
        for image, copy in zip(images, reversed(copies), strict=True):
            run("cp", "--sparse=always", image, copy)
        for image, copy in zip(images, copies, strict=True):
            copy.rename(image)

    without_power(life, {image.parent.parent.name for image in images}, swapped)


def swapped_disks(life):
    """The disks of two brokers of a zone are swapped: neither starts, and both are right again after it."""
    brokers = (3000, 3001)
    images = [image_of(life, broker) for broker in brokers]
    swap(life, images)
    try:
        needs_attention(life, "the disk of broker", *brokers)
    finally:
        swap(life, images)
    life.whole()


def foreign_disk(life):
    """The disk of another cluster is found under a broker: it is refused and left as it is."""
    broker, name = 3000, "neighbour"
    another = Another(life, name)
    another.make()
    another.ready()
    another.writes()
    identity = life.namespace.get("messagecluster", name)["status"]["clusterId"]
    pods = [pod["metadata"]["name"] for pod in life.namespace.items("pods", *another.mine)]
    another.delete()
    images = image_of_claim(life, f"data-{max(pods)}"), image_of(life, broker)
    swap(life, images)
    try:
        needs_attention(life, identity, broker)
    finally:
        swap(life, images)
    life.whole()
    another.make()
    another.ready()
    found = life.namespace.get("messagecluster", name)["status"]["clusterId"]
    if found != identity:
        raise Failed(f"the neighbour was {identity} and is {found}")
    another.reads()
    another.delete()
    life.whole()


def tool(life, *words):
    """`holdfast` of this machine at the admin API, as docs/operations/README.md says."""
    program = os.environ.get("HOLDFAST_BIN") or Path(os.environ["CARGO_TARGET_DIR"]) / "release/holdfast"
    broker = min(b for b, pod in life.cluster.pods().items() if pod["status"]["phase"] == "Running")
    pod = life.cluster.pods()[broker]["metadata"]["name"]
    secret = life.namespace.get("secret", f"{resources.NAME}-admin-tls")["data"]
    with tempfile.TemporaryDirectory() as folder:
        for name in ("ca.crt", "tls.crt", "tls.key"):
            (Path(folder) / name).write_bytes(base64.b64decode(secret[name]))
        forward = subprocess.Popen(
            ["kubectl", "--namespace", life.namespace.name, "port-forward", f"pod/{pod}", f":{ADMIN_PORT}"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        try:
            line = forward.stdout.readline()
            port = line.split(" -> ")[0].rsplit(":", 1)[1]
            where = ("--admin", f"localhost:{port}", "--certificates", folder)
            return json.loads(run(program, *words, *where, "--output", "json"))
        finally:
            forward.terminate()
            forward.wait()


def admitted_by_hand(life, broker):
    """Does what the resource says is to be done about another disk."""
    until(
        "another disk is seen",
        lambda: (life.cluster.condition("Stalled") or ("",) * 3)[1] == "DiskReplaced",
        120,
    )
    said = life.cluster.condition("Stalled")[2]
    command = said.split("`holdfast ")[1].split("`")[0].split()
    done = tool(life, *command)
    if not done["newly_admitted"]:
        raise Failed(f"{command}: {done}")


def without_its_volume(life, broker):
    """Deletes the claim and the pod of a broker, as docs/operations/day2.md says."""
    pod = life.cluster.pods()[broker]["metadata"]["name"]
    life.namespace.kubectl("delete", "persistentvolumeclaim", f"data-{pod}", "--wait=false")
    life.namespace.kubectl("delete", "pod", pod)


def lost_disk(life):
    """A disk is lost: the broker waits with an empty one, and a person lets it in."""
    broker = 3001
    without_its_volume(life, broker)
    admitted_by_hand(life, broker)
    life.note("admitted_s")
    life.whole()


def rolled_back_disk(life):
    """A disk returns as it was some time ago: it is refused for ever, and another takes its place."""
    broker = 3001
    node, image = life.cluster.node_of(broker), image_of(life, broker)
    older = image.with_suffix(".older")
    without_power(life, [node], lambda: run("cp", "--sparse=always", image, older))
    life.whole()
    time.sleep(5)
    without_power(life, [node], lambda: older.rename(image))
    needs_attention(life, "rolled back", broker)
    without_its_volume(life, broker)
    admitted_by_hand(life, broker)
    life.whole()


def break_glass(life):
    """No controller answers: only who types the cluster's id gets brokers restarted without a permit."""
    nodes = [life.cluster.node_of(broker) for broker in (2000, 3000)]
    uids = life.cluster.uids()

    def annotate(value):
        run("kubectl", "--namespace", life.namespace.name, "annotate", "--overwrite",
            f"messagecluster/{resources.NAME}", f"holdfast.io/break-glass{value}")  # fmt: skip

    def restarted():
        return {b for b, uid in life.cluster.uids().items() if uid != uids[b]}

    for node in nodes:
        life.nodes("node-kill", node)
    try:
        until("no controller answers", lambda: (life.cluster.condition("Safe") or ("True",))[0] != "True", 90)
        restart_marked(life, "glass")
        time.sleep(20)
        if restarted() & {1000, 1001}:
            raise Failed("brokers restarted without a permit")
        annotate("=another")
        time.sleep(10)
        if restarted() & {1000, 1001}:
            raise Failed("another id was enough")
        annotate("=" + life.cluster.status()["clusterId"])
        until("broker 1000 or 1001 restarts", lambda: restarted() & {1000, 1001}, 90)
        life.note("restarted_s")
    finally:
        for node in nodes:
            life.nodes("node-start", node)
        annotate("-")
    if not any("break-glass" in act[2] for act in life.cluster.acts()):
        raise Failed(f"it is not recorded: {life.cluster.acts()}")
    life.whole()


MISTAKES = [
    Act("edited while it rolls", edited_while_it_rolls),
    Act("deleted while it is made", deleted_while_it_is_made, restarts=0),
    Act("API server hangs, then is gone", api_server_away, restarts=0, needs="nodes"),
    Act("a disk is lost", lost_disk, planned=False, new_claims=1),
    Act("two disks are swapped", swapped_disks, planned=False, needs="nodes"),
    Act("another cluster's disk", foreign_disk, planned=False, needs="nodes"),
    Act("a disk is rolled back", rolled_back_disk, planned=False, needs="nodes", new_claims=1),
    Act("break glass", break_glass, planned=False, needs="nodes"),
]
