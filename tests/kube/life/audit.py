"""Compares what is in the log with the ledger of what was acknowledged."""

import time
import zlib
from collections import Counter

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

# How long reading may make no progress, in seconds.
STANDSTILL = 60


class Ledger:
    """What a producer was told: `tests/clients/ledger_producer.py` says how it writes it."""

    def __init__(self, path):
        self.acknowledged = {}  # (partition, sequence) -> (offset, crc)
        self.latencies = []  # (acknowledged at, milliseconds it took)
        self.given_up = 0
        self.fatal = []
        for line in open(path, encoding="utf-8", errors="replace"):
            words = line.split()
            if words[0] == "A" and len(words) == 7:
                partition, sequence, offset, crc, sent, acked = map(int, words[1:])
                self.acknowledged[partition, sequence] = (offset, crc)
                self.latencies.append((acked, acked - sent))
            elif words[0] == "E":
                self.given_up += 1
            elif words[0] == "F":
                self.fatal.append(line.strip())


def records(bootstrap, topic, partitions):
    """All records of a topic, from the first to what is the end at the beginning."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "client.id": "audit",
            "group.id": "unused",
            "enable.auto.commit": False,
        }
    )
    places = [TopicPartition(topic, p, OFFSET_BEGINNING) for p in range(partitions)]
    ends = {p.partition: consumer.get_watermark_offsets(p, timeout=30)[1] for p in places}
    consumer.assign(places)
    open_ones = {p for p, end in ends.items() if end > 0}
    moved = time.monotonic()
    while open_ones and time.monotonic() - moved < STANDSTILL:
        for message in consumer.consume(1000, timeout=1):
            moved = time.monotonic()
            if message.error():
                raise RuntimeError(f"reading {topic}: {message.error()}")
            yield message
            if message.offset() >= ends[message.partition()] - 1:
                open_ones.discard(message.partition())
    consumer.close()
    if open_ones:
        raise RuntimeError(f"reading {topic} stands still before the end of {sorted(open_ones)}")


def audit(bootstrap, topic, partitions, ledger):
    """How many acknowledged records are lost, twice, out of order or not the bytes that were written."""
    found, wrong, reordered, newest = Counter(), 0, 0, {}
    for message in records(bootstrap, topic, partitions):
        body = message.value()
        head = body.split(b" ", 3)
        name, partition, sequence = head[0], int(head[1]), int(head[2])
        crc = int.from_bytes(body[-4:], "big")
        if zlib.crc32(body[:-4]) != crc or partition != message.partition():
            wrong += 1
        found[partition, sequence] += 1
        told = ledger.acknowledged.get((partition, sequence))
        if told and (told[1] != crc or told[0] not in (-1, message.offset())):
            wrong += 1
        if newest.get((name, partition), -1) > sequence:
            reordered += 1
        newest[name, partition] = max(sequence, newest.get((name, partition), -1))
    return {
        "acknowledged": len(ledger.acknowledged),
        "read": sum(found.values()),
        "lost": sum(1 for key in ledger.acknowledged if key not in found),
        "duplicated": sum(count - 1 for count in found.values()),
        "reordered": reordered,
        "wrong": wrong,
        "given_up": ledger.given_up + len(ledger.fatal),
    }
