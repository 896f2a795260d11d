"""One life of a cluster: made, written to, put through all acts, audited, and removed."""

import os
import subprocess
import time
from pathlib import Path

from . import cluster as resources
from .audit import Ledger, audit
from .cluster import Cluster
from .kubectl import Failed, Namespace, run, until
from .operator_pods import Operator
from .watchers import Watchers

PARTITIONS = 12
# How long after an act a partition may be without an acknowledgement, in seconds.
PATIENCE = 15
# The same where machines fell silent: a client waits for what it asked of them until they say that they
# know nothing of it (or for its `socket.timeout.ms`, a minute), and TCP asks them ever more seldom.
SILENCE = 90
HERE = Path(__file__).parent


def now_ms():
    return int(time.time() * 1000)


def quantile(values, part):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * part))] if values else None


class Life:
    """What the acts work with."""

    def __init__(self, number, folder, options):
        self.number, self.folder, self.options = number, folder, options
        self.versions = options.versions
        self.namespace = Namespace(f"life-{number}")
        self.cluster = Cluster(self.namespace)
        self.operator = Operator(options.operator_namespace)
        self.watchers = None
        self.figures = {}
        self.begun = 0.0

    # What acts use.

    def whole(self):
        """Waits until the cluster is as wished and every replica in sync."""
        self.cluster.settle()
        until("every replica is in sync", self.watchers.all_in_sync, 180)

    def written_to_again(self, seconds):
        """Waits until every partition is written to."""
        since = now_ms()
        until("every partition is written to", lambda: self.watchers.gone_on(since, PARTITIONS), seconds)
        self.figures["written_s"] = round((now_ms() - since) / 1000, 1)

    def all_led(self):
        look = self.watchers.last_look()
        return look is not None and look[3] == 0

    def all_run(self, version):
        runs = {broker["id"]: broker.get("version") for broker in self.cluster.status()["brokers"]}
        if set(runs.values()) != {version}:
            raise Failed(f"not all brokers run {version}: {runs}")

    def note(self, figure):
        """A moment within the act, in seconds from its begin."""
        self.figures[figure] = round(time.monotonic() - self.begun, 1)

    def nodes(self, *words):
        """Power and network of the nodes of our own cluster."""
        run(HERE.parent / "cluster", *words)

    def begin_writing(self, topic):
        until(f"{topic} is there", lambda: self.is_topic_ready(topic), 60)
        self.watchers.write(topic, PARTITIONS)
        until(f"{topic} is written to", lambda: self.watchers.acknowledged(topic) > 100, 60)

    def is_topic_ready(self, topic):
        status = self.namespace.get("messagetopic", topic).get("status", {})
        return any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", []))

    # The life.

    def begin(self):
        run("kubectl", "create", "namespace", self.namespace.name)
        run("kubectl", "label", "namespace", self.namespace.name,
            "pod-security.kubernetes.io/enforce=restricted")  # fmt: skip
        self.folder.mkdir(parents=True, exist_ok=True)
        begun = time.monotonic()
        self.namespace.apply(
            resources.resource(3, self.versions[0], self.options.image, self.options.settings),
            resources.topic("ledger-three"),
        )
        self.namespace.kubectl(
            "wait", f"messagecluster/{resources.NAME}", "--for=condition=Ready", "--timeout=300s",
            timeout=320,
        )  # fmt: skip
        ready = time.monotonic() - begun
        addresses = run(
            "kubectl", "get", "nodes", "--output",
            'jsonpath={.items[*].status.addresses[?(@.type=="InternalIP")].address}',
        ).split()  # fmt: skip
        bootstrap = ",".join(f"{address}:{resources.NODE_PORT}" for address in addresses)
        self.watchers = Watchers(self.folder, bootstrap, self.options.rate)
        self.begin_writing("ledger-three")
        self.watchers.observe()
        self.whole()
        return {"act": "create 3", "planned": True, "seconds": round(ready, 1), "ok": True}

    def act(self, act):
        """Does one act and returns its figures."""
        self.figures = {}
        row = {"act": act.name, "planned": act.planned, "load": round(os.getloadavg()[0], 1)}
        errors, acts = self.watchers.errors(), self.cluster.acts()
        uids, claims = self.cluster.uids(), self.cluster.claims()
        begin, self.begun = now_ms(), time.monotonic()
        problems = []
        try:
            act.do(self)
        except (Failed, subprocess.TimeoutExpired) as failure:
            problems.append(str(failure))
        row["seconds"] = round(time.monotonic() - self.begun, 1)
        try:
            self.written_to_again(PATIENCE if act.planned else SILENCE)
        except Failed as failure:
            problems.append(str(failure))
        time.sleep(1)
        end = now_ms()
        row["errors"] = self.watchers.errors() - errors
        looks = self.watchers.looks(begin, end)
        row["looks"] = len(looks)
        row["below_min"] = sum(1 for look in looks if look[1] > 0)
        row["leaderless"] = sum(1 for look in looks if look[3] > 0)
        row["permits"] = len(self.cluster.permits(acts))
        after = self.cluster.uids()
        row["restarted"] = sum(1 for broker, uid in uids.items() if after.get(broker) != uid)
        row.update(self.latencies(begin, end))
        row.update(self.figures)
        if act.planned and (row["errors"] or row["below_min"]):
            problems.append("a planned act was felt: " + str([k for k in looks if k[1] > 0][:3]))
        if act.restarts is not None and row["permits"] > act.restarts:
            problems.append(f"{row['permits']} permits, {act.restarts} would do")
        if act.restarts == 0 and row["restarted"]:
            problems.append("brokers restarted, and none had to")
        if not looks:
            problems.append("nobody looked")
        kept = self.cluster.claims()
        lost = [name for name, claim in claims.items() if kept.get(name) != claim]
        if len(lost) > act.new_claims:
            problems.append(f"claims were touched: {lost}")
        row["ok"], row["problems"] = not problems, problems
        return row

    def latencies(self, begin, end):
        """How long acknowledgements took meanwhile, in milliseconds."""
        took = []
        for topic in self.watchers.producers:
            ledger = Ledger(self.watchers.ledger(topic))
            took += [took for at, took in ledger.latencies if begin <= at <= end]
        return {"ack_p50_ms": quantile(took, 0.5), "ack_max_ms": max(took, default=None)}

    def end(self):
        """Ends the writing, and compares the log with the ledgers."""
        broken = self.watchers.end()
        rows = []
        for topic in self.watchers.producers:
            ledger = Ledger(self.watchers.ledger(topic))
            row = audit(self.watchers.bootstrap, topic, PARTITIONS, ledger)
            wrong = row["lost"] + row["duplicated"] + row["reordered"] + row["wrong"]
            ok = wrong == 0 and row["acknowledged"] > 0 and not broken
            problems = [f"ended otherwise: {broken}"] if broken else []
            rows.append({"act": f"audit {topic}", "ok": ok, "problems": problems, **row})
        return rows

    def remove(self):
        """Removes the cluster: the namespace, and with it what a cluster's end leaves."""
        if self.watchers:
            self.watchers.end()
        run("kubectl", "delete", "namespace", self.namespace.name, "--timeout=180s", timeout=200)
