"""The power of all brokers is cut while they acknowledge: what they had acknowledged must be there afterwards."""

import contextlib
import pathlib
import subprocess
import sys
import threading
import time

from clusters import HoldfastCluster, run
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from workloads import PATIENT, create, first_acknowledgement

CUT = pathlib.Path(__file__).parent.parent / "clients" / "power_cut.py"
TOPIC = "ledger"
PARTITIONS = 12
DISK_BYTES = 8 << 30


@contextlib.contextmanager
def disk(folder):
    """A file system of its own, in a file: its power can be cut."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    image, place = folder / "image", folder / "disk"
    place.mkdir(exist_ok=True)
    if place.is_mount():
        unmount(place)
    with open(image, "w") as file:
        file.truncate(DISK_BYTES)
    run("mkfs.ext4", "-q", "-F", image)
    run("mount", "-o", "loop", image, place)
    try:
        yield image, place
    finally:
        unmount(place)
        image.unlink()


def unmount(place):
    for _ in range(100):
        if subprocess.run(["umount", str(place)], capture_output=True).returncode == 0:
            return
        time.sleep(0.1)
    run("umount", "-l", place)


class Ledger:
    """What was acknowledged: by partition and offset, the record."""

    def __init__(self, bootstrap):
        self.acknowledged = {}
        self.stop = threading.Event()
        self.producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "enable.idempotence": True,
                **PATIENT,
                "message.timeout.ms": 15000,
            }
        )

    def delivered(self, error, message):
        if error is None:
            self.acknowledged[(message.partition(), message.offset())] = message.value()

    def write(self):
        number = 0
        while not self.stop.is_set():
            value = b"%d" % number + b"." * 1000
            try:
                self.producer.produce(
                    TOPIC, value, partition=number % PARTITIONS, on_delivery=self.delivered
                )
                number += 1
            except BufferError:
                self.producer.poll(0.01)
            self.producer.poll(0)


def prove(holdfast, folder, port, seconds):
    """How many records were acknowledged before the cut, all of which are there after it."""
    with disk(folder) as (image, place):
        with HoldfastCluster(holdfast, place / "brokers", port) as cluster:
            # The brokers sync what is theirs; their configuration is ours.
            run("sync", "--file-system", place)
            # A client that asks before a controller is known waits for its next look, a minute later.
            first_acknowledgement(cluster)
            create(cluster, TOPIC, PARTITIONS)
            ledger = Ledger(cluster.bootstrap)
            writer = threading.Thread(target=ledger.write, daemon=True)
            writer.start()
            time.sleep(seconds)
            run("python3", CUT, place)
            # What was acknowledged by then is known once the answers under way are here.
            time.sleep(1)
            acknowledged = dict(ledger.acknowledged)
            if not acknowledged:
                raise RuntimeError("nothing was acknowledged before the power was cut")
            ledger.stop.set()
            writer.join(30)
            del ledger
            cluster.end_at_once()
            unmount(place)
            run("mount", "-o", "loop", image, place)
            cluster.start_again()
            check(cluster, acknowledged)
    return len(acknowledged)


def check(cluster, acknowledged):
    consumer = Consumer(
        {
            "bootstrap.servers": cluster.bootstrap,
            **PATIENT,
            "group.id": "power-cut",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
        }
    )
    consumer.assign([TopicPartition(TOPIC, partition, 0) for partition in range(PARTITIONS)])
    ended, missing = set(), dict(acknowledged)
    patience = time.monotonic() + 300
    while len(ended) < PARTITIONS and time.monotonic() < patience:
        cluster.must_run()
        for message in consumer.consume(10000, 1):
            at = (message.partition(), message.offset())
            if message.error():
                if message.error().code() == KafkaError._PARTITION_EOF:
                    ended.add(at[0])
            elif missing.pop(at, message.value()) != message.value():
                raise RuntimeError(f"another record is at {at} than the one that was acknowledged")
    consumer.close()
    if len(ended) < PARTITIONS:
        raise RuntimeError("not everything could be read within five minutes")
    if missing:
        raise RuntimeError(f"{len(missing)} acknowledged records are gone, {min(missing)} first")


if __name__ == "__main__":
    binary, where, first_port, load_seconds = sys.argv[1:5]
    count = prove(binary, where, int(first_port), float(load_seconds))
    print(f"{count} records were acknowledged before the power was cut, and are there")
