"""A well-behaved client that goes on while others misbehave: it must not notice them."""

import threading
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from report import equal

PARTITIONS = 3


class Bystander:
    """Writes a record every few milliseconds with the defaults of an idempotent producer, and reads
    all of them."""

    def __init__(self, bootstrap, topic="bystander"):
        admin = AdminClient({"bootstrap.servers": bootstrap})
        admin.create_topics([NewTopic(topic, PARTITIONS, 3)])[topic].result(30)
        self.bootstrap = bootstrap
        self.topic = topic
        self.stopping = threading.Event()
        self.problems = []
        self.acknowledged = {}
        self.read = {}
        self.sent = 0
        self.last = time.monotonic()
        self.longest = 0.0
        self.threads = [threading.Thread(target=self.write), threading.Thread(target=self.consume)]
        for thread in self.threads:
            thread.start()

    def delivered(self, error, message):
        if error is not None:
            self.problems.append(f"delivery: {error}")
            return
        number = int(message.value())
        self.acknowledged[number] = (message.partition(), message.offset())
        now = time.monotonic()
        self.longest = max(self.longest, now - self.last)
        self.last = now

    def write(self):
        producer = Producer(
            {
                "bootstrap.servers": self.bootstrap,
                "enable.idempotence": True,
                "acks": "all",
                # Closed and refused connections are not for this client's log.
                "log_level": 0,
            }
        )
        while not self.stopping.is_set():
            number = self.sent
            producer.produce(
                self.topic, b"%d" % number, partition=number % PARTITIONS, on_delivery=self.delivered
            )
            self.sent += 1
            producer.poll(0.005)
        left = producer.flush(60)
        if left:
            self.problems.append(f"{left} records were never delivered")

    def consume(self):
        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": self.topic,
                "enable.auto.commit": False,
                "log_level": 0,
            }
        )
        consumer.assign([TopicPartition(self.topic, p, OFFSET_BEGINNING) for p in range(PARTITIONS)])
        end = None
        while True:
            if self.stopping.is_set() and not self.threads[0].is_alive():
                end = end or time.monotonic() + 30
                if len(self.read) >= len(self.acknowledged) or time.monotonic() > end:
                    break
            for message in consumer.consume(500, 0.2):
                if message.error():
                    self.problems.append(f"read: {message.error()}")
                    continue
                number, place = int(message.value()), (message.partition(), message.offset())
                if self.read.setdefault(number, place) != place:
                    self.problems.append(f"record {number} twice: {self.read[number]}, {place}")
        consumer.close()

    def unharmed(self, seconds):
        """Fails if it saw an error, stands still, or waited longer than this since last asked."""
        before = len(self.acknowledged), len(self.read)
        end = time.monotonic() + seconds
        while len(self.acknowledged) <= before[0] + 20 or len(self.read) <= before[1] + 20:
            if time.monotonic() > end:
                after = len(self.acknowledged), len(self.read)
                raise AssertionError(f"wrote and read {before}, {seconds} s later {after}")
            time.sleep(0.05)
        equal(self.problems[:3], [], "the well-behaved client saw")
        longest, self.longest = self.longest, 0.0
        if longest > seconds:
            raise AssertionError(f"the well-behaved client waited {longest:.1f} s for an answer")

    def finish(self):
        """Stops; fails if an acknowledged record is lost, moved, or was there twice."""
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        equal(self.problems[:3], [], "the well-behaved client saw")
        equal(len(self.acknowledged), self.sent, "acknowledged")
        # An answer that was lost with its connection is made up by the next one: librdkafka then
        # reports the record as delivered without saying where.
        untold = [n for n, (_, offset) in self.acknowledged.items() if offset is None]
        if untold:
            print(f"{len(untold)} records were acknowledged without their offset", flush=True)
        wrong = [
            f"{n} told {told} is at {self.read.get(n)}"
            for n, told in sorted(self.acknowledged.items())
            if not is_at(told, self.read.get(n))
        ]
        equal(wrong[:5], [], f"{len(wrong)} records lost or moved, such as")
        places = [self.read[n] for n in range(self.sent)]
        for partition in range(PARTITIONS):
            offsets = [offset for at, offset in places if at == partition]
            equal(offsets, sorted(offsets), f"the order of partition {partition}")


def is_at(told, found):
    """Whether a record was found where its producer was told, as far as it was told."""
    if found is None or told[1] is None:
        return found is not None and found[0] == told[0]
    return found == told
