"""Consumer groups of every kind at once, while their members and coordinators are killed.

Usage: group_torture.py STEPS BOOTSTRAP DIRECTORY COMMAND..., as groups.py. In each step some members are killed without
warning, or the broker that coordinates some group, or both; then every group must go on. In the end what all
members wrote down is looked through (group_judge.py). HOLDFAST_SEED repeats the choices.
"""

import json
import os
import pathlib
import random
import subprocess
import sys
import threading
import time

from confluent_kafka import Consumer, Producer, TopicPartition

import group_judge
from groups import PARTITIONS, Cases
from report import case, equal, eventually

MEMBERS = 3

# Records a second, over all partitions.
RATE = 300

# How long a group may take until each partition is read and committed again: a session of six seconds, a join that waits
# for all others, a client that looks for its coordinator.
PATIENCE = 90

CLASSIC = {"session.timeout.ms": 6000, "heartbeat.interval.ms": 500}
KINDS = {
    "eager": CLASSIC,
    "cooperative": {**CLASSIC, "partition.assignment.strategy": "cooperative-sticky"},
    "static": CLASSIC,
    "modern": {"group.protocol": "consumer"},
}


class Writer:
    """Writes until it is stopped; who reads has something to commit at any time."""

    def __init__(self, bootstrap, topic):
        self.producer = Producer(
            {"bootstrap.servers": bootstrap, "enable.idempotence": True, "log_level": 0}
        )
        self.topic = topic
        self.failed = []
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        sent = 0
        while not self.stopping.is_set():
            self.producer.produce(
                self.topic,
                b"%d" % sent,
                partition=sent % PARTITIONS,
                on_delivery=lambda error, _: error and self.failed.append(str(error)),
            )
            sent += 1
            self.producer.poll(1 / RATE)

    def finish(self):
        self.stopping.set()
        self.thread.join()
        equal(self.producer.flush(PATIENCE), 0, "records that were never delivered")
        equal(self.failed[:3], [], "records that failed")


class Group:
    """A group of one kind. A member that is killed has a life behind it; the next one in its place begins another."""

    def __init__(self, kind, bootstrap, topic, directory):
        self.kind = kind
        self.name = f"tortured-{kind}"
        self.bootstrap = bootstrap
        self.topic = topic
        self.directory = directory
        self.lives = []
        self.processes = [None] * MEMBERS
        for place in range(MEMBERS):
            self.start(place)

    def start(self, place):
        settings = {
            "bootstrap.servers": self.bootstrap,
            "group.id": self.name,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "log_level": 0,
            **KINDS[self.kind],
        }
        if self.kind == "static":
            settings["group.instance.id"] = f"place-{place}"
        life = group_judge.Life(self.directory / f"{self.name}-{len(self.lives)}.log")
        program = pathlib.Path(__file__).with_name("group_member.py")
        command = [sys.executable, program, life.path, self.topic, json.dumps(settings)]
        self.processes[place] = (subprocess.Popen(command), life)
        self.lives.append(life)

    def kill(self, place):
        process, life = self.processes[place]
        process.kill()
        process.wait()
        life.ended = time.monotonic()

    def check_alive(self):
        for process, life in self.processes:
            if life.ended is None:
                equal(process.poll(), None, f"{self.kind}: a member ended by itself")

    def goes_on(self, since):
        """Every partition was committed by what was read since then."""
        self.check_alive()
        read = {p for life in self.lives for p in life.committed_since(since)}
        equal(sorted(read), list(range(PARTITIONS)), f"{self.kind}: partitions that go on")

    def caught_up(self, ends):
        self.check_alive()
        equal(group_judge.committed(self.lives), ends, f"{self.kind}: committed")


class Torture:
    def __init__(self, steps, bootstrap, directory, command):
        self.steps = steps
        self.bootstrap = bootstrap
        self.directory = pathlib.Path(directory) / "members"
        self.directory.mkdir(parents=True)
        self.cases = Cases(bootstrap, command)
        seed = int(os.environ.get("HOLDFAST_SEED", random.SystemRandom().randrange(2**32)))
        print(f"HOLDFAST_SEED={seed}", flush=True)
        self.chance = random.Random(seed)
        self.members_killed = 0
        self.coordinators_killed = 0

    def run(self):
        topic = "tortured-groups"
        self.cases.topic(topic, 0)
        writer = Writer(self.bootstrap, topic)
        groups = [Group(kind, self.bootstrap, topic, self.directory) for kind in KINDS]
        try:
            begun = time.monotonic()
            for group in groups:
                eventually(lambda: group.goes_on(begun), PATIENCE)
            for _ in range(self.steps):
                self.step(groups)
            writer.finish()
            self.judge(groups, topic)
        finally:
            writer.stopping.set()
            for group in groups:
                for place in range(MEMBERS):
                    group.kill(place)

    def step(self, groups):
        kills_broker = self.chance.random() < 0.5
        downs = [
            (group, place)
            for group in groups
            for place in range(MEMBERS)
            if self.chance.random() < (0.15 if kills_broker else 0.3)
        ]
        if not downs and not kills_broker:
            downs = [(self.chance.choice(groups), self.chance.randrange(MEMBERS))]
        self.chance.shuffle(downs)
        broker = None
        if kills_broker:
            broker = self.asked(self.cases.coordinator, self.chance.choice(groups).name)
            self.cases.broker("kill", broker)
            self.coordinators_killed += 1
        for group, place in downs:
            group.kill(place)
            self.members_killed += 1
            time.sleep(self.chance.choice([0, 0, 1, 3]))
        time.sleep(self.chance.random() * 4)
        if broker is not None:
            self.cases.broker("revive", broker)
        # Some are back before their session ends, some after it.
        for group, place in downs:
            time.sleep(self.chance.choice([0, 0, 2, 4]))
            group.start(place)
        back = time.monotonic()
        for group in groups:
            eventually(lambda: group.goes_on(back), PATIENCE)

    def judge(self, groups, topic):
        ends = self.ends(topic)
        for group in groups:
            eventually(lambda: group.caught_up(ends), PATIENCE)
            shown = self.asked(self.cases.shown, group.name)
            equal(dict(enumerate(shown)), ends, f"{group.kind}: committed, says the coordinator")
            counted = group_judge.judge(group.lives)
            print(f"{group.kind}: {counted}", flush=True)
        print(
            f"{self.members_killed} members and {self.coordinators_killed} coordinators were killed",
            flush=True,
        )

    @staticmethod
    def asked(ask, group):
        """What our tool says of a group, whose coordinator may only have come up."""

        def said():
            try:
                return ask(group)
            except subprocess.CalledProcessError as error:
                raise AssertionError(error.stderr) from error

        return eventually(said, PATIENCE)

    def ends(self, topic):
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "ends", "log_level": 0})
        try:
            return {
                p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=30)[1]
                for p in range(PARTITIONS)
            }
        finally:
            consumer.close()


def main():
    torture = Torture(int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:])
    case("group torture: the judge finds what is wrong", group_judge.finds_what_is_wrong, torture.directory)
    print(f"members and coordinators are killed {torture.steps} times", flush=True)
    case("groups: every kind at once, members and coordinators killed", torture.run)


if __name__ == "__main__":
    main()
