"""kafka-python and aiokafka write and read with every codec, share a group, seek by time.

Usage: others.py BOOTSTRAP [RECORDS]. They speak the protocol in Python, so that they get fewer records
than the others.
"""

import asyncio
import sys
import threading
import time

import aiokafka
import kafka
from aiokafka.admin import AIOKafkaAdminClient
from kafka.admin import KafkaAdminClient, NewTopic

import wire
from report import case, equal, eventually

CODECS = [None, "gzip", "snappy", "lz4", "zstd"]
PARTITIONS = 3
# The timestamp of record 0: an hour ago, as retention would delete what is older than a week.
EPOCH = int(time.time()) * 1000 - 3_600_000
PATIENCE = 60


def value(i):
    return f"value {i} ".encode() * (1 + i % 7)


def create(bootstrap, topic):
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        admin.create_topics([NewTopic(topic, PARTITIONS, 3)])
    finally:
        admin.close()
    for broker in bootstrap.split(","):
        eventually(lambda: equal(wire.knows(broker, topic), True, f"{topic} at {broker}"))


class Checker:
    """What a group reads: every record once, in the order of its partition."""

    def __init__(self, count):
        self.count = count
        self.next = {}
        self.seen = 0

    def add(self, record):
        i = int(record.key)
        equal(record.value, value(i), f"value of {i}")
        equal(record.timestamp, EPOCH + i, f"timestamp of {i}")
        equal(list(record.headers), [("n", record.key)], f"headers of {i}")
        wanted = self.next.get(record.partition, record.partition)
        equal(i, wanted, f"next of partition {record.partition}")
        self.next[record.partition] = i + PARTITIONS
        self.seen += 1

    def done(self):
        return self.seen >= self.count


def python_writes(bootstrap, topic, codec, count):
    producer = kafka.KafkaProducer(
        bootstrap_servers=bootstrap, acks="all", compression_type=codec, linger_ms=5
    )
    sent = []
    for i in range(count):
        key = str(i).encode()
        sent.append(
            producer.send(
                topic,
                value(i),
                key,
                headers=[("n", key)],
                partition=i % PARTITIONS,
                timestamp_ms=EPOCH + i,
            )
        )
    producer.flush(PATIENCE)
    for future in sent:
        future.get(PATIENCE)
    producer.close()


def python_reads(bootstrap, topic, count):
    """Two members of one group, each on a thread of its own as a program would have it."""
    members = [
        kafka.KafkaConsumer(
            topic,
            bootstrap_servers=bootstrap,
            group_id=f"{topic}-python",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            session_timeout_ms=10_000,
            heartbeat_interval_ms=500,
        )
        for _ in range(2)
    ]
    checker = Checker(count)
    lock, done, wrong = threading.Lock(), threading.Event(), []
    held = [0, 0]

    def read(index):
        member = members[index]
        try:
            while not done.is_set():
                batches = member.poll(500)
                held[index] = len(member.assignment())
                with lock:
                    for partition, batch in batches.items():
                        if sorted(held) != [1, 2]:
                            # Who reads before both are there would hand over in between.
                            member.seek(partition, batch[0].offset)
                            continue
                        for record in batch:
                            checker.add(record)
                if batches and sorted(held) == [1, 2]:
                    member.commit()
        except Exception as error:  # what happens on a thread is this case's failure
            wrong.append(error)
            done.set()

    threads = [threading.Thread(target=read, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + PATIENCE
    while not checker.done() and not done.is_set() and time.monotonic() < end:
        time.sleep(0.05)
    # The last commits come after the last records.
    time.sleep(0.5)
    done.set()
    for thread in threads:
        thread.join(PATIENCE)
    try:
        if wrong:
            raise wrong[0]
        equal((checker.seen, sorted(held)), (count, [1, 2]), "records, and partitions of each")
        committed = {p: members[0].committed(kafka.TopicPartition(topic, p)) for p in range(3)}
        equal(committed, {p: len(range(p, count, 3)) for p in range(3)}, "committed")
    finally:
        for member in members:
            member.close()


def python_seeks(bootstrap, topic, count):
    consumer = kafka.KafkaConsumer(bootstrap_servers=bootstrap, consumer_timeout_ms=5000)
    try:
        partition = kafka.TopicPartition(topic, 1)
        consumer.assign([partition])
        middle = count // 2
        found = consumer.offsets_for_times({partition: EPOCH + middle})[partition]
        wanted = next(i for i in range(middle, count) if i % PARTITIONS == 1)
        equal((found.offset, found.timestamp), (wanted // PARTITIONS, EPOCH + wanted), "found")
        consumer.seek(partition, found.offset)
        equal(next(consumer).key, str(wanted).encode(), "record")
        ends = consumer.end_offsets([partition])
        equal(ends[partition], len(range(1, count, PARTITIONS)), "end")
    finally:
        consumer.close()


async def aio_writes(bootstrap, topic, codec, count):
    producer = aiokafka.AIOKafkaProducer(
        bootstrap_servers=bootstrap, enable_idempotence=True, compression_type=codec, linger_ms=5
    )
    await producer.start()
    try:
        sent = []
        for i in range(count):
            key = str(i).encode()
            sent.append(
                await producer.send(
                    topic,
                    value(i),
                    key,
                    partition=i % PARTITIONS,
                    timestamp_ms=EPOCH + i,
                    headers=[("n", key)],
                )
            )
        await asyncio.wait_for(asyncio.gather(*sent), PATIENCE)
    finally:
        await producer.stop()


async def aio_reads(bootstrap, topic, count):
    group = f"{topic}-aio"
    checker = Checker(count)
    members = []
    try:
        for _ in range(2):
            member = aiokafka.AIOKafkaConsumer(
                topic,
                bootstrap_servers=bootstrap,
                group_id=group,
                auto_offset_reset="earliest",
                enable_auto_commit=False,
                session_timeout_ms=10_000,
                heartbeat_interval_ms=500,
            )
            members.append(member)
        await asyncio.gather(*(member.start() for member in members))
        end = time.monotonic() + PATIENCE
        while sorted(len(m.assignment()) for m in members) != [1, 2]:
            equal(time.monotonic() < end, True, "both have partitions")
            await asyncio.sleep(0.1)
        while not checker.done() and time.monotonic() < end:
            for member in members:
                for batch in (await member.getmany(timeout_ms=200)).values():
                    for record in batch:
                        checker.add(record)
                await member.commit()
        equal(checker.seen, count, "records")
    finally:
        for member in members:
            await member.stop()
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        offsets = await admin.list_consumer_group_offsets(group)
        found = {partition.partition: offset.offset for partition, offset in offsets.items()}
        equal(found, {p: len(range(p, count, 3)) for p in range(3)}, "committed")
        listed = [name for name, _ in await admin.list_consumer_groups()]
        equal(group in listed, True, "listed")
    finally:
        await admin.close()


def main():
    bootstrap, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 5_000
    run = asyncio.run
    clients = {
        "kafka-python": (python_writes, python_reads),
        "aiokafka": (
            lambda *args: run(aio_writes(*args)),
            lambda *args: run(aio_reads(*args)),
        ),
    }
    for client, (writes, reads) in clients.items():
        for codec in CODECS:
            topic = f"{client}-{codec or 'none'}"
            create(bootstrap, topic)
            if case(f"{client}, {codec or 'none'}: writes", writes, bootstrap, topic, codec, count):
                case(f"{client}, {codec or 'none'}: two members read", reads, bootstrap, topic, count)
    case(
        "kafka-python: finds by time", python_seeks, bootstrap, "kafka-python-gzip", count
    )


if __name__ == "__main__":
    main()
