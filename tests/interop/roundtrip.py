"""confluent-kafka and kcat each write and read 100,000 records with every codec.

Usage: roundtrip.py BOOTSTRAP [RECORDS]
"""

import subprocess
import sys
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

import wire
from records import Checker, key, size, value
from report import case, equal

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
PARTITIONS = 3


def create(bootstrap, topic):
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for future in admin.create_topics([NewTopic(topic, PARTITIONS, 3)]).values():
        future.result(30)


def delete(bootstrap, topic):
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for future in admin.delete_topics([topic]).values():
        future.result(30)


def confluent_produce(bootstrap, topic, codec, count):
    failures = []

    def delivered(error, message):
        if error is not None:
            failures.append(f"{message.key()!r}: {error}")

    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,
            "acks": "all",
            "compression.type": codec,
            "linger.ms": 5,
        }
    )
    for i in range(count):
        name = key(i)
        while True:
            try:
                producer.produce(
                    topic,
                    value(i),
                    name,
                    partition=i % PARTITIONS,
                    headers=[("n", name)],
                    on_delivery=delivered,
                )
                break
            except BufferError:
                producer.poll(0.05)
        if i % 256 == 0:
            producer.poll(0)
    equal(producer.flush(120), 0, "records never delivered")
    equal(failures[:3], [], f"{len(failures)} deliveries failed")


def confluent_consume(bootstrap, topic, count):
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            # Asked for by the client, used by nobody: partitions are assigned by hand.
            "group.id": "interop",
            "enable.auto.commit": False,
            "check.crcs": True,
        }
    )
    try:
        consumer.assign(
            [TopicPartition(topic, p, OFFSET_BEGINNING) for p in range(PARTITIONS)]
        )
        checker = Checker(count)
        end = time.monotonic() + 120
        while not checker.done() and time.monotonic() < end:
            for message in consumer.consume(2000, 1.0):
                if message.error():
                    raise AssertionError(str(message.error()))
                (header,) = message.headers()
                equal(header[0], "n", "header")
                checker.add(
                    message.partition(),
                    message.offset(),
                    message.key(),
                    header[1],
                    message.value(),
                )
        checker.finish()
    finally:
        consumer.close()


def kcat_produce(bootstrap, topic, codec, count):
    kcat = subprocess.Popen(
        ["kcat", "-q", "-b", bootstrap, "-P", "-t", topic, "-K", ":", "-H", "n=kcat"]
        + ["-X", "enable.idempotence=true", "-X", "acks=all", "-X", f"compression.codec={codec}"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        for i in range(count):
            kcat.stdin.write(b"%s:%s\n" % (key(i), value(i)))
        _, errors = kcat.communicate(timeout=120)
    finally:
        kcat.kill()
    equal((kcat.returncode, errors), (0, b""), "kcat -P")


def kcat_consume(bootstrap, topic, count):
    kcat = subprocess.Popen(
        ["kcat", "-q", "-b", bootstrap, "-C", "-t", topic, "-o", "beginning", "-e"]
        + ["-X", "check.crcs=true", "-f", "%p:%o:%k:%h:%s\n"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        checker = Checker(count)
        for line in kcat.stdout:
            partition, offset, k, header, v = line[:-1].split(b":", 4)
            name, _, number = header.partition(b"=")
            equal(name, b"n", "header")
            checker.add(int(partition), int(offset), k, number, v)
        _, errors = kcat.communicate(timeout=120)
    finally:
        kcat.kill()
    equal((kcat.returncode, errors), (0, b""), "kcat -C")
    checker.finish()


def stored_with(bootstrap, topic, codec):
    """Fails unless the batches are stored as the client was told to compress them."""
    stored = wire.codecs_of(bootstrap, topic, PARTITIONS, records_in_batch=20)
    equal(stored, {CODECS.index(codec)}, "stored codecs")


def main():
    bootstrap, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    total = sum(map(size, range(count))) / 1e6
    print(f"{count} records, {total:.0f} MB, for each client and codec", flush=True)
    clients = {
        "confluent-kafka": (confluent_produce, confluent_consume),
        "kcat": (kcat_produce, kcat_consume),
    }
    for client, (produce, consume) in clients.items():
        for codec in CODECS:
            topic = f"{client}-{codec}"
            name = f"{client}, {codec}"
            create(bootstrap, topic)
            if not case(f"{name}: writes", produce, bootstrap, topic, codec, count):
                continue
            case(f"{name}: reads", consume, bootstrap, topic, count)
            other = kcat_consume if consume is confluent_consume else confluent_consume
            case(f"{name}: the other client reads", other, bootstrap, topic, count)
            case(f"{name}: stored compressed so", stored_with, bootstrap, topic, codec)
            delete(bootstrap, topic)


if __name__ == "__main__":
    main()
