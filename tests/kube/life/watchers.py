"""The processes that work beside every act: producers with a ledger, readers, and the observer."""

import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
# How much of the end of a ledger is looked at, in bytes: some twenty seconds.
TAIL = 1 << 18
PRODUCER = HERE.parent.parent / "clients" / "ledger_producer.py"


class Worker:
    """One of them. It ends when its standard input is closed, or with us."""

    def __init__(self, folder, name, *command):
        self.name = name
        self.log = open(folder / f"{name}.log", "wb")
        self.out_path = folder / f"{name}.out"
        self.out = open(self.out_path, "wb")
        self.process = subprocess.Popen(
            [sys.executable, *map(str, command)],
            stdin=subprocess.PIPE,
            stdout=self.out,
            stderr=self.log,
        )

    def end(self, seconds=180):
        """Ends it in peace, and says with which code."""
        self.process.stdin.close()
        try:
            code = self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.out.close()
        self.log.close()
        return code

    def runs(self):
        return self.process.poll() is None


class Watchers:
    """All of them for one run."""

    def __init__(self, folder, bootstrap, rate):
        self.folder, self.bootstrap, self.rate = folder, bootstrap, rate
        self.producers, self.readers, self.observer = {}, {}, None

    def observe(self):
        self.observer = Worker(
            self.folder, "observer", HERE / "observer.py", "--bootstrap", self.bootstrap,
            "--topics", "ledger",
        )  # fmt: skip

    def write(self, topic, partitions):
        """An idempotent producer with a ledger, and a reader of what it writes."""
        where = ("--bootstrap", self.bootstrap, "--topic", topic, "--partitions", partitions)
        self.producers[topic] = Worker(
            self.folder, f"producer-{topic}", PRODUCER, *where, "--name", f"writer-{topic}",
            "--ledger", self.ledger(topic), "--rate", self.rate,
        )  # fmt: skip
        self.readers[topic] = Worker(
            self.folder, f"reader-{topic}", HERE / "reader.py", *where
        )

    def ledger(self, topic):
        return self.folder / f"{topic}.ledger"

    def acknowledged(self, topic):
        """How many records its producer was told are kept, so far."""
        return self.lines(self.ledger(topic), b"A ")

    def gone_on(self, since, partitions):
        """Whether every producer has an acknowledgement of every partition for something that it sent since
        then (milliseconds since 1970)."""
        return all(
            self.acknowledged_since(self.ledger(topic), since) == set(range(partitions))
            for topic in self.producers
        )

    @staticmethod
    def acknowledged_since(ledger, since):
        """The partitions with such an acknowledgement, as far as the end of a ledger tells."""
        with open(ledger, "rb") as lines:
            lines.seek(max(0, ledger.stat().st_size - TAIL))
            words = [line.split() for line in lines.read().splitlines()[1:]]
        return {
            int(line[1]) for line in words if line[0] == b"A" and len(line) == 7 and int(line[5]) >= since
        }

    @staticmethod
    def lines(path, beginning):
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return 0
        return content.count(b"\n" + beginning) + content.startswith(beginning)

    def errors(self):
        """What applications were told went wrong, so far: records given up, clients that gave up, and
        errors of readers."""
        errors = 0
        for topic, producer in self.producers.items():
            errors += self.lines(self.ledger(topic), b"E ") + self.lines(self.ledger(topic), b"F ")
            errors += not producer.runs()
            reader = self.readers[topic]
            errors += self.lines(reader.out_path, b"X ") + (not reader.runs())
        return errors

    def looks(self, begin, end):
        """The observer's looks between two moments (milliseconds since 1970)."""
        looks = []
        for line in self.observer.out_path.read_text().splitlines():
            words = line.split()
            if len(words) >= 4 and begin <= int(words[0]) <= end:
                looks.append((int(words[0]), int(words[1]), int(words[2]), int(words[3]), words[4:]))
        return looks

    def last_look(self):
        if not self.observer.runs():
            raise RuntimeError(f"the observer ended: {self.folder}/observer.log")
        looks = self.looks(time.time() * 1000 - 5000, time.time() * 1000 + 5000)
        return looks[-1] if looks else None

    def all_in_sync(self):
        """The newest look shows every replica in sync."""
        look = self.last_look()
        return look is not None and look[1:4] == (0, 0, 0)

    def end(self):
        """Ends all of them in peace; says who ended otherwise."""
        workers = [*self.producers.values(), *self.readers.values()]
        workers += [self.observer] if self.observer else []
        return [worker.name for worker in workers if worker.end() != 0]
