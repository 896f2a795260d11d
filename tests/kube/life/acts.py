"""What is done to the cluster, one function an act. Each returns when the cluster is whole again."""

import time

from . import cluster as resources
from . import inside
from .kubectl import Failed, until


class Act:
    """An act: what it does, and what it may cost."""

    def __init__(self, name, do, planned=True, restarts=None, needs=None, new_claims=0):
        self.name, self.do = name, do
        # A planned act costs applications no error and no partition its min.insync.replicas.
        self.planned = planned
        # In how many permits it may be done, if it restarts all brokers; 0 if it may restart none.
        self.restarts = restarts
        # What not every place has: "nodes", power over them, or "builds", two versions of the product.
        self.needs = needs
        # How many claims it replaces, because whoever does it deletes them.
        self.new_claims = new_claims


def scale_out(life):
    life.cluster.change({"replicas": 6})
    life.whole()
    # Its partitions lie on all six; those of the first topic stay where they are.
    life.namespace.apply(resources.topic("ledger-six"))
    life.begin_writing("ledger-six")


def clients_inside(life):
    """A client in the cluster writes and reads by the address that the status names."""
    life.namespace.apply(resources.topic("inside"))
    until("its topic is there", lambda: life.is_topic_ready("inside"), 60)
    bootstrap = life.cluster.status()["bootstrap"]
    inside.do(life, f"{resources.NAME}-client", bootstrap, inside.WRITE, inside.READ)


def dynamic_setting(life):
    life.cluster.change({"settings": {"log.retention.ms": str(700_000_000 + life.number)}})
    life.whole()


def static_setting(life):
    life.cluster.change({"settings": {"connections.max.idle.ms": str(500_000 + life.number)}})
    life.whole()


def restart(life):
    life.cluster.change({"pod": {"annotations": {"example.com/restarted": str(time.time())}}})
    life.whole()


def upgrade(life):
    life.cluster.change({"version": life.versions[1]})
    life.whole()
    life.all_run(life.versions[1])


def downgrade(life):
    life.cluster.change({"version": life.versions[0]})
    life.whole()
    life.all_run(life.versions[0])


def drain(life):
    """Drains the node of a broker as its administrator would, and brings it back."""
    broker = max(life.cluster.pods())
    node = life.cluster.node_of(broker)
    uid = life.cluster.uids()[broker]
    try:
        life.namespace.kubectl(
            "drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=120s",
            timeout=150,
        )  # fmt: skip
        if life.cluster.uids().get(broker) == uid:
            raise Failed(f"broker {broker} is still on the drained node {node}")
    finally:
        life.namespace.kubectl("uncordon", node)
    life.whole()


def lost_for_a_while(life, lose, bring_back, what):
    """Nodes are lost, partitions get other leaders, and the nodes come back."""
    life.nodes(lose, what)
    try:
        until("the loss is seen", lambda: not life.watchers.all_in_sync(), 60)
        until("every partition has a leader", life.all_led, 60)
        life.note("leaders_s")
        time.sleep(10)
    finally:
        life.nodes(bring_back, what)
    life.whole()


def node_lost(life):
    """The power of the controller's node fails, and comes back after a while."""
    node = life.cluster.node_of(life.cluster.controller())
    lost_for_a_while(life, "node-kill", "node-start", node)


def zone_cut_off(life):
    """All nodes of the controller's zone are cut off from everything, and come back after a while. In two
    of three zones that takes one of the two name servers along."""
    zone = "abc"[life.cluster.controller() // 1000 - 1]
    life.figures["zone"] = zone
    lost_for_a_while(life, "zone-cut", "zone-heal", zone)


def broker_dies_without_operator(life):
    """A broker dies while there is no operator: nobody is needed for it to come back."""
    life.operator.scale(0)
    try:
        broker = min(life.cluster.pods())
        pod = life.cluster.pods()[broker]["metadata"]["name"]
        uid = life.cluster.uids()[broker]
        life.namespace.kubectl("delete", "pod", pod, "--grace-period=0", "--force")
        until("it is made again", lambda: life.cluster.uids().get(broker, uid) != uid, 60)
        until("it is in sync again", life.watchers.all_in_sync, 120)
        life.note("in_sync_s")
    finally:
        life.operator.scale(2)
    life.whole()


def killed_at_every_step(act):
    """The act, and the operator that leads is killed whenever it has done something."""

    def do(life):
        with life.operator.killed_after_every_act(life.cluster) as kills:
            act(life)
        life.figures["operators_killed"] = kills.count
        if kills.count == 0:
            raise Failed("no operator was killed")

    return do


SCALE_OUT = Act("scale 3 to 6", scale_out)

ACTS = [
    SCALE_OUT,
    Act("clients inside", clients_inside, restarts=0),
    Act("dynamic setting", dynamic_setting, restarts=0),
    Act("static setting", static_setting, restarts=3),
    Act("rolling restart", restart, restarts=3),
    Act("upgrade", upgrade, restarts=3, needs="builds"),
    Act("downgrade", downgrade, restarts=3, needs="builds"),
    Act("node drain", drain),
    Act("operator absent, a broker dies", broker_dies_without_operator, planned=False),
    Act("node killed and revived", node_lost, planned=False, needs="nodes"),
    Act("zone cut off and back", zone_cut_off, planned=False, needs="nodes"),
]

# The same under an operator that does not live long.
KILLED = [
    Act(
        f"{act.name}, operator killed",
        killed_at_every_step(act.do), act.planned, act.restarts, act.needs,
    )  # fmt: skip
    for act in ACTS
    # Of clients inside it has no part, and where it is absent it cannot be killed.
    if act.do not in (clients_inside, broker_dies_without_operator)
]
