"""Consumer groups with confluent-kafka, through rebalances, restarts and killed brokers.

Usage: groups.py BOOTSTRAP COMMAND..., where COMMAND kill N and COMMAND revive N end a broker without
warning and bring it back.
"""

import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import threading
import time

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, Producer
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

import wire
from report import case, equal, eventually

PARTITIONS = 6
RECORDS = 3_000
PATIENCE = 60

# The settings of a client of the consumer protocol.
MODERN = {"group.protocol": "consumer"}


class Member:
    """A consumer on a thread of its own, which commits what it has seen."""

    def __init__(self, bootstrap, group, topic, **settings):
        self.seen = []
        self.assigned = set()
        self.errors = []
        self.assignments = 0
        self.stopping = threading.Event()
        wanted = {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "session.timeout.ms": 6000,
            "heartbeat.interval.ms": 500,
            **settings,
        }
        if wanted.get("group.protocol") == "consumer":
            # The coordinator says how often, and how long.
            del wanted["session.timeout.ms"], wanted["heartbeat.interval.ms"]
        self.consumer = Consumer(wanted)
        self.topic = topic
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def on_assign(self, consumer, partitions):
        self.assignments += 1
        if consumer.memberid():
            self.assigned |= {p.partition for p in partitions}

    def on_revoke(self, _consumer, partitions):
        self.assigned -= {p.partition for p in partitions}

    def run(self):
        self.consumer.subscribe(
            [self.topic], on_assign=self.on_assign, on_revoke=self.on_revoke, on_lost=self.on_revoke
        )
        while not self.stopping.is_set():
            try:
                messages = self.consumer.consume(200, 0.2)
                for message in messages:
                    if message.error():
                        raise KafkaException(message.error())
                    self.seen.append((message.partition(), message.offset()))
                if messages:
                    self.commit()
            except KafkaException as error:
                if error.args[0].fatal():
                    self.errors.append(str(error))
                    break
        self.consumer.close()

    def commit(self):
        """Commits where it stands; a member that was left behind may not, and reads again."""
        try:
            self.consumer.commit(asynchronous=False)
        except KafkaException as error:
            if error.args[0].name() not in REBALANCES:
                self.errors.append(error.args[0].name())

    def stop(self):
        self.stopping.set()
        self.thread.join(PATIENCE)
        equal(self.thread.is_alive(), False, "still running")
        equal(self.errors, [], "errors")


# What a commit in the midst of a rebalance, or of a coordinator's change, may be told.
REBALANCES = {
    "ILLEGAL_GENERATION",
    "UNKNOWN_MEMBER_ID",
    "REBALANCE_IN_PROGRESS",
    "_NO_OFFSET",
    "_WAIT_COORD",
    "NOT_COORDINATOR",
    "COORDINATOR_NOT_AVAILABLE",
    "COORDINATOR_LOAD_IN_PROGRESS",
    "_ASSIGNMENT_LOST",
    "_TIMED_OUT",
    "REQUEST_TIMED_OUT",
    "_TRANSPORT",
    "_STATE",
    "STALE_MEMBER_EPOCH",
    "FENCED_MEMBER_EPOCH",
}


class Cases:
    def __init__(self, bootstrap, command):
        self.bootstrap = bootstrap
        self.command = command
        self.admin = AdminClient({"bootstrap.servers": bootstrap})

    def topic(self, name, records=RECORDS):
        self.admin.create_topics([NewTopic(name, PARTITIONS, 3)])[name].result(30)
        for broker in self.bootstrap.split(","):
            eventually(lambda: equal(wire.knows(broker, name), True, f"{name} at {broker}"))
        self.write(name, records)

    def write(self, name, records, start=0):
        producer = Producer({"bootstrap.servers": self.bootstrap, "enable.idempotence": True})
        failed = []
        for i in range(start, start + records):
            producer.produce(
                name,
                str(i).encode(),
                partition=i % PARTITIONS,
                on_delivery=lambda error, _: error and failed.append(str(error)),
            )
            producer.poll(0)
        equal(producer.flush(PATIENCE), 0, "never delivered")
        equal(failed[:3], [], "failed")

    @staticmethod
    def wait(check, what):
        end = time.monotonic() + PATIENCE
        while not check():
            if time.monotonic() > end:
                raise AssertionError(f"not within {PATIENCE} s: {what}")
            time.sleep(0.05)

    def whole(self, members):
        """Waits until the members have every partition once."""
        everything = set(range(PARTITIONS))

        def check():
            held = [p for member in members for p in member.assigned]
            return sorted(held) == sorted(everything) and all(m.assigned for m in members)

        self.wait(check, "every partition is held once, and everybody has some")

    def committed(self, group, name):
        """The committed offset of each partition."""
        if os.environ.get("INTEROP_TORTURE"):
            # librdkafka 2.14 and before it: an administrator's OffsetFetch that is answered
            # NOT_COORDINATOR looks for the group of its own, has none, and ends the process
            # (rd_kafka_handle_OffsetFetch, rd_kafka_cgrp_op). A consumer has one.
            consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": group})
            asked = [TopicPartition(name, p) for p in range(PARTITIONS)]
            offsets = [p.offset for p in consumer.committed(asked, PATIENCE)]
            consumer.close()
            return offsets
        asked = [
            ConsumerGroupTopicPartitions(group, [TopicPartition(name, p) for p in range(PARTITIONS)])
        ]
        ((_, future),) = self.admin.list_consumer_group_offsets(asked).items()
        return [p.offset for p in future.result(PATIENCE).topic_partitions]

    def share(self, name, settings):
        """Three members come one by one, and go; nothing is read twice but for who was cut off."""
        self.topic(name)
        members = []
        for count in range(1, 4):
            members.append(Member(self.bootstrap, name, name, **settings))
            self.whole(members)
            equal(len(members), count, "members")
        self.wait(lambda: self.total(members) >= RECORDS, "everything is read")
        self.admin_sees(name, 3)
        for gone in list(members):
            gone.stop()
            members.remove(gone)
            if members:
                self.whole(members)
        equal(self.committed(name, name), [RECORDS // PARTITIONS] * PARTITIONS, "committed")

    @staticmethod
    def total(members):
        return len({seen for member in members for seen in member.seen})

    def admin_sees(self, group, count):
        ((_, future),) = self.admin.describe_consumer_groups([group]).items()
        described = future.result(30)
        equal(str(described.state.name), "STABLE", "state")
        equal(len(described.members), count, "members")
        held = sorted(
            p.partition for m in described.members for p in m.assignment.topic_partitions
        )
        equal(held, list(range(PARTITIONS)), "assigned")
        listed = self.admin.list_consumer_groups().result(30)
        equal(listed.errors, [], "errors of the list")
        equal(group in [g.group_id for g in listed.valid], True, "listed")

    def resumes(self):
        """What was committed is not read again, by whoever comes later."""
        name = "group-resumes"
        self.topic(name)
        first = Member(self.bootstrap, name, name)
        self.wait(lambda: self.total([first]) == RECORDS, "everything is read")
        first.stop()
        self.write(name, RECORDS, RECORDS)
        second = Member(self.bootstrap, name, name)
        self.wait(lambda: self.total([second]) >= RECORDS, "what is new is read")
        second.stop()
        equal(len(second.seen), RECORDS, "records read by the second")
        equal(min(offset for _, offset in second.seen), RECORDS // PARTITIONS, "first offset")

    def static(self, name, settings):
        """A static member that restarts keeps its partitions, and nobody else notices."""
        self.topic(name)
        stays = Member(self.bootstrap, name, name, **settings, **{"group.instance.id": "stays"})
        self.whole([stays])
        goes = Member(self.bootstrap, name, name, **settings, **{"group.instance.id": "goes"})
        self.whole([stays, goes])
        before, held = stays.assignments, set(goes.assigned)
        goes.stop()
        again = Member(self.bootstrap, name, name, **settings, **{"group.instance.id": "goes"})
        self.whole([stays, again])
        equal(again.assigned, held, "what it holds")
        equal(stays.assignments, before, "assignments of the other")
        again.stop()
        stays.stop()

    def changes(self):
        """A group whose members are restarted one by one with the other protocol, and back, reads on."""
        name = "group-changes"
        self.topic(name)
        members = [Member(self.bootstrap, name, name) for _ in range(2)]
        self.whole(members)
        written = RECORDS
        for settings in [MODERN, {}]:
            for _ in range(2):
                members.append(Member(self.bootstrap, name, name, **settings))
                self.whole(members)
                members.pop(0).stop()
                self.whole(members)
                self.write(name, 600, written)
                written += 600
                self.wait(
                    lambda: self.committed(name, name) == [written // PARTITIONS] * PARTITIONS,
                    "everything is committed",
                )
            listed = self.admin.list_consumer_groups().result(30).valid
            kind = next(group.type.name for group in listed if group.group_id == name)
            equal(kind, "CONSUMER" if settings else "CLASSIC", "type of the group")
        for member in members:
            member.stop()

    def admins(self):
        """Offsets are moved and deleted by an admin, while nobody reads."""
        name = "group-admin"
        self.topic(name)
        member = Member(self.bootstrap, name, name)
        self.wait(lambda: self.total([member]) == RECORDS, "everything is read")
        moved = [ConsumerGroupTopicPartitions(name, [TopicPartition(name, 2, 7)])]
        ((_, future),) = self.admin.alter_consumer_group_offsets(moved).items()
        self.refused({"UNKNOWN_MEMBER_ID", "NON_EMPTY_GROUP"}, future)
        self.refused({"NON_EMPTY_GROUP"}, self.delete(name))
        member.stop()
        ((_, future),) = self.admin.alter_consumer_group_offsets(moved).items()
        future.result(30)
        equal(self.committed(name, name)[2], 7, "moved offset")
        self.delete(name).result(30)
        equal(self.committed(name, name), [-1001] * PARTITIONS, "offsets of a deleted group")
        self.refused({"GROUP_ID_NOT_FOUND"}, self.delete(name))

    def delete(self, group):
        ((_, future),) = self.admin.delete_consumer_groups([group]).items()
        return future

    @staticmethod
    def refused(wanted, future):
        try:
            result = future.result(30)
        except KafkaException as error:
            equal(error.args[0].name() in wanted, True, error.args[0].name())
            return
        codes = {p.error.name() for p in result.topic_partitions if p.error} if result else set()
        equal(codes != set() and codes <= wanted, True, f"refusal {codes}")

    def internal(self):
        """Nobody else writes to the topic of the coordinators."""
        producer = Producer({"bootstrap.servers": self.bootstrap})
        told = []
        producer.produce(
            "__consumer_offsets", b"x", partition=0, on_delivery=lambda e, _: told.append(e.name())
        )
        producer.flush(30)
        equal(told, ["TOPIC_EXCEPTION"], "outcome")

    def rewritten(self):
        """Many commits leave the log of their coordinator short, and whoever takes over knows them."""
        name, commits = "group-rewritten", 5_000
        self.topic(name, PARTITIONS)
        # Commits of 4 kB each, 20 MB in all, of one partition after the other.
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": name})
        for i in range(commits):
            place = TopicPartition(name, i % PARTITIONS, i, f"{i} ".ljust(4000))
            consumer.commit(offsets=[place], asynchronous=i % 20 != 0)
        consumer.commit(
            offsets=[TopicPartition(name, p, commits + p) for p in range(PARTITIONS)],
            asynchronous=False,
        )
        wanted = [commits + p for p in range(PARTITIONS)]
        equal(self.committed(name, name), wanted, "committed")
        log = TopicPartition("__consumer_offsets", java_hash(name) % 50)
        low, high = consumer.get_watermark_offsets(log, timeout=30)
        equal(high > commits and low > commits // 2, True, f"log from {low} to {high}")
        # The next coordinator knows only what it reads from there.
        coordinator = self.coordinator(name)
        self.broker("kill", coordinator)
        try:
            self.wait(lambda: self.coordinator(name) != coordinator, "another coordinator")
            equal(self.shown(name), wanted, "committed, says the next coordinator")
        finally:
            self.broker("revive", coordinator)
        consumer.close()
        self.everybody_back(name)

    def everybody_back(self, topic):
        """The next case creates a topic, which needs every broker."""
        self.wait(lambda: self.in_sync(topic) == 3, "three replicas in sync")

    def in_sync(self, topic):
        """How many replicas are in sync of the partition that has fewest."""
        found = self.admin.list_topics(topic, timeout=30).topics[topic].partitions
        return min(len(partition.isrs) for partition in found.values())

    def coordinator(self, group):
        """The broker that our own tool says coordinates a group."""
        return self.described(group)["coordinator"]

    def broker(self, verb, number):
        subprocess.run(
            [*self.command, verb, str(number)], check=True, capture_output=True, timeout=60
        )

    def killed(self, name, settings):
        """A group goes on through the death of every broker, its coordinator among them."""
        self.topic(name)
        members = [Member(self.bootstrap, name, name, **settings) for _ in range(2)]
        self.whole(members)
        written = RECORDS
        for number in range(3):
            self.broker("kill", number)
            self.write(name, RECORDS, written)
            written += RECORDS
            self.broker("revive", number)
            self.wait(lambda: self.total(members) == written, f"everything after killing {number}")
        self.whole(members)
        for member in members:
            member.stop()
        committed = self.committed(name, name)
        equal(committed, [written // PARTITIONS] * PARTITIONS, "committed")
        self.everybody_back(name)

    def payments(self):
        """A user's program is killed and started again at random: what was committed is not
        repeated, and nothing is skipped. Its session outlives it for 45 s, librdkafka's default."""
        name, records = "payments", 120
        self.topic(name, records)
        chance = random.Random(7)
        before, kills = [0] * PARTITIONS, 0
        end = time.monotonic() + 400
        while sum(before) < records and time.monotonic() < end:
            lines, killed = self.pay(chance.randrange(50, 90))
            kills += killed
            for partition, offset in lines:
                equal(offset, before[partition], f"next payment of partition {partition}")
                before[partition] += 1
            now = self.shown("payment-group")
            if killed and now != before:
                # The last payment was printed, and the program killed before its commit came.
                before[lines[-1][0]] -= 1
            equal(now, before, "committed")
        equal((sum(before), kills > 0), (records, True), f"payments, over {kills} kills")

    def shown(self, group):
        """What our own tool shows as committed."""
        offsets = [0] * PARTITIONS
        for row in self.described(group)["partitions"]:
            offsets[row["partition"]] = row["committed"] or 0
        return offsets

    def described(self, group):
        command = [self.command[0], "group", "describe", group, "-b", self.bootstrap, "-o", "json"]
        shown = subprocess.run(command, check=True, capture_output=True, timeout=60).stdout
        return json.loads(shown)[0]

    def pay(self, most):
        """Runs the program until it has nothing to do, or kills it after so many payments: the
        partition and offset of each, and whether it was killed."""
        program = pathlib.Path(__file__).with_name("payment_consumer.py")
        process = subprocess.Popen(
            [sys.executable, program, self.bootstrap], stdout=subprocess.PIPE, text=True
        )
        lines = []
        for line in process.stdout:
            _, partition, offset, _ = line.split()
            lines.append((int(partition), int(offset)))
            if len(lines) == most:
                process.kill()
        process.wait()
        # A commit that was on its way arrives or does not.
        time.sleep(0.5)
        return lines, process.returncode == -signal.SIGKILL


def java_hash(text):
    """What Kafka finds the partition of a group by, in 31 bits."""
    total = 0
    for unit in text.encode():
        total = (31 * total + unit) & 0xFFFFFFFF
    return total & 0x7FFFFFFF


def main():
    cases = Cases(sys.argv[1], sys.argv[2:])
    classic = {
        strategy: {"partition.assignment.strategy": strategy}
        for strategy in ("range", "roundrobin", "cooperative-sticky")
    }
    for strategy, settings in classic.items():
        case(f"groups: three members share, {strategy}", cases.share, f"group-{strategy}", settings)
    for assignor in ("uniform", "range"):
        settings = {**MODERN, "group.remote.assignor": assignor}
        name = f"group-modern-{assignor}"
        case(f"groups: the coordinator divides, {assignor}", cases.share, name, settings)
    case("groups: what was committed is not read again", cases.resumes)
    patient = {"session.timeout.ms": 30000}
    case("groups: a static member restarts unnoticed", cases.static, "group-static", patient)
    name = "group-modern-static"
    case("groups: a static member restarts, the coordinator divides", cases.static, name, MODERN)
    case("groups: members change their protocol one by one", cases.changes)
    case("groups: an admin moves and deletes offsets", cases.admins)
    case("groups: nobody else writes to their topic", cases.internal)
    if os.environ.get("INTEROP_TORTURE"):
        # Somebody else kills brokers already.
        case("groups: a user's program is killed at random", cases.payments)
        return
    case("groups: many commits leave a short log", cases.rewritten)
    case("groups: every broker is killed once", cases.killed, "group-killed", {})
    name = "group-modern-killed"
    case("groups: every broker is killed, the coordinator divides", cases.killed, name, MODERN)
    case("groups: a user's program is killed at random", cases.payments)


if __name__ == "__main__":
    main()
