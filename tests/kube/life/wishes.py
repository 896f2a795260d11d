"""What else people do to a cluster, and mistakes that they make: each changes only what it should."""

import json
import time

from . import cluster as resources
from .acts import Act
from .kubectl import Failed, until


def stalled_for(life, reason):
    """Waits until the resource says that it is stalled for a reason, and returns its sentence."""

    def said():
        condition = life.cluster.condition("Stalled")
        return condition if condition and condition[:2] == ("True", reason) else None

    return until(f"Stalled for {reason}", said, 60)[2]


def plan_is(life, state):
    return life.cluster.status().get("plan", {}).get("state") == state


def volume_growth(life):
    life.cluster.change({"storage": {"size": "2Gi"}})
    life.whole()
    sizes = [
        claim["status"]["capacity"]["storage"]
        for claim in life.namespace.items("persistentvolumeclaims")
    ]
    if set(sizes) != {"2Gi"}:
        raise Failed(f"the volumes are {sizes}")


def scale_in(life):
    """Is refused with a sentence, and nothing happens."""
    life.cluster.change({"replicas": 5})
    try:
        said = stalled_for(life, "ScaleInRefused")
        if "replicas" not in said:
            raise Failed(f"the sentence names no way out: {said}")
    finally:
        life.cluster.change({"replicas": 6})
    life.whole()


def park(life):
    life.cluster.change({"brokers": [{"id": 3001, "mode": "Parked"}]})

    def is_parked():
        return {b["id"]: b["state"] for b in life.cluster.status()["brokers"]}[3001] == "Parked"

    until("broker 3001 is parked", is_parked, 120)
    life.note("parked_s")
    life.cluster.change({"brokers": []})
    life.whole()


def pause(life):
    """While it is paused a change does nothing; afterwards it is made."""
    uids = life.cluster.uids()
    annotations = {"annotations": {"example.com/paused": str(life.number)}}
    life.cluster.change({"paused": True, "pod": annotations})
    until("it says that it is paused", lambda: plan_is(life, "Paused"), 60)
    time.sleep(10)
    if life.cluster.uids() != uids:
        raise Failed("brokers restarted while the cluster was paused")
    life.cluster.change({"paused": False})
    life.whole()


def approval(life):
    """A plan waits for its hash, and is then carried out."""
    uids = life.cluster.uids()
    annotations = {"annotations": {"example.com/approved": str(life.number)}}
    life.cluster.change({"approval": "Manual", "pod": annotations})
    until("the plan waits", lambda: plan_is(life, "AwaitingApproval"), 60)
    time.sleep(10)
    if life.cluster.uids() != uids:
        raise Failed("brokers restarted without an approval")
    life.cluster.change({"approvedPlan": life.cluster.status()["plan"]["hash"]})
    life.whole()
    life.cluster.change({"approval": "Auto", "approvedPlan": None})
    life.whole()


def broken_version(life):
    """A version that does not exist stops the roll at its first zone; the old one undoes it."""
    life.cluster.change({"version": "0.0.0-missing"})

    def is_stuck():
        # The node may look for the image for minutes before it says that there is none.
        pods = life.cluster.pods().values()
        return any("missing" in pod["spec"]["containers"][0]["image"] for pod in pods)

    try:
        until("brokers do not come up", is_stuck, 120)
        time.sleep(20)
        down = [p for p in life.cluster.pods().values() if not is_ready(p)]
        if len(down) > 2:
            raise Failed(f"the roll went on though {len(down)} brokers are down")
    finally:
        life.cluster.change({"version": life.versions[0]})
    life.whole()
    life.all_run(life.versions[0])


def is_ready(pod):
    conditions = pod["status"].get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def hand_edited_set(life):
    """Somebody changes a StatefulSet by hand: it is set right, and nothing restarts."""
    container = {"name": "broker", "image": "busybox:by-hand"}
    change = {"spec": {"template": {"spec": {"containers": [container]}}}}
    name = f"{resources.NAME}-a"
    life.namespace.kubectl("patch", "statefulset", name, "--patch", json.dumps(change))

    def is_right():
        return "by-hand" not in life.namespace.kubectl("get", "statefulset", name, "--output", "yaml")

    until("the set is right again", is_right, 90)
    life.whole()


def rollout_restart(life):
    """What people know: it restarts the brokers of a set, one permit for them all."""
    uids = life.cluster.uids()
    life.namespace.kubectl("rollout", "restart", f"statefulset/{resources.NAME}-b")

    def restarted():
        return {broker for broker, uid in life.cluster.uids().items() if uid != uids.get(broker)}

    until("the brokers of zone b restart", lambda: restarted() == {2000, 2001}, 120)
    life.whole()
    if restarted() != {2000, 2001}:
        raise Failed(f"{restarted()} restarted")


def certificates_gone(life):
    """The brokers' certificates are lost: they are made anew, and taken without a restart."""
    life.namespace.kubectl("delete", "secret", f"{resources.NAME}-broker-tls")
    until(
        "they are made anew",
        lambda: life.namespace.get("secret", f"{resources.NAME}-broker-tls")["data"],
        # Secrets are not watched, so that the operator needs no right to: it reads them every five minutes.
        400,
    )
    life.whole()


def topic_changes(life):
    """A topic gets partitions and a setting; fewer partitions are refused with a sentence."""
    name = "changed"
    life.namespace.apply(resources.topic(name, partitions=3))
    until("it is there", lambda: life.is_topic_ready(name), 60)
    life.namespace.apply(resources.topic(name, partitions=6))

    def has_six():
        status = life.namespace.get("messagetopic", name)["status"]
        return status.get("partitions") == 6 and life.is_topic_ready(name)

    until("it has six partitions", has_six, 60)
    try:
        life.namespace.apply(resources.topic(name, partitions=4))
    except Failed as refused:
        if "partitions cannot shrink" not in str(refused):
            raise
    else:
        raise Failed("fewer partitions were not refused")
    until("it is well still", lambda: life.is_topic_ready(name), 60)


def operator_upgrade(life):
    """Another build of the operator restarts nothing that nobody approved."""
    for version in (life.versions[1], life.versions[0]):
        image = life.operator.image_of(version)
        life.operator.set_image(image)
        time.sleep(15)
        life.whole()


def lost_node(life):
    """A node is gone for certain and says so: what is left of its pod is removed."""
    broker = max(life.cluster.pods())
    node, uid = life.cluster.node_of(broker), life.cluster.uids()[broker]
    taint = "node.kubernetes.io/out-of-service=nodeshutdown:NoExecute"
    life.nodes("node-kill", node)
    try:
        life.namespace.kubectl("taint", "node", node, taint)
        until("its pod is removed", lambda: life.cluster.uids().get(broker) != uid, 120)
        life.note("removed_s")
    finally:
        life.nodes("node-start", node)
        life.namespace.kubectl("taint", "node", node, taint + "-")
    life.whole()


WISHES = [
    Act("volumes grow", volume_growth, restarts=0),
    Act("scale-in refused", scale_in, restarts=0),
    Act("park and unpark", park),
    Act("pause", pause, restarts=3),
    Act("approval", approval, restarts=3),
    Act("a version that does not exist", broken_version, restarts=2),
    Act("a hand-edited set", hand_edited_set, restarts=0),
    Act("rollout restart by hand", rollout_restart, restarts=1),
    Act("certificates lost", certificates_gone, restarts=0),
    Act("a topic changes", topic_changes, restarts=0),
    Act("another operator", operator_upgrade, restarts=0, needs="builds"),
    Act("a node is gone for certain", lost_node, planned=False, needs="nodes"),
]
