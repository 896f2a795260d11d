"""What is asked of a cluster, by the same clients, and what it took."""

import concurrent.futures
import json
import pathlib
import re
import subprocess
import time

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

PACKAGE = "org.apache.kafka.tools."
GIB = 1 << 30

# Records of each produced load, and their bytes.
LOADS = {"1 KiB": (1_000_000, 1024), "100 B": (3_000_000, 100), "64 KiB": (16_000, 65536)}
TINY = 50_000
WARM_UP = 3_000_000
CATCH_UP = 1_000_000

# Of clients that may come before the brokers do.
PATIENT = {"reconnect.backoff.max.ms": 200, "error_cb": lambda _: None, "log_level": 0}

ROUND_ROBIN = "org.apache.kafka.clients.producer.RoundRobinPartitioner"


class Clients:
    """Kafka's own programs that measure; and one on Kafka's clients, where a record's time must count from when it was
    due."""

    def __init__(self, jars):
        self.java = ["java", "-Xmx512m", "-cp", f"{jars}/*"]

    def run(self, tool, *args, timeout=3600):
        command = [*self.java, PACKAGE + tool, *map(str, args)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
        if ended.returncode != 0:
            raise RuntimeError(f"{tool}: {ended.stdout[-2000:]}{ended.stderr[-2000:]}")
        return ended.stdout

    def produce(self, cluster, topic, records, size, rate=-1, **settings):
        """Records a second, and percentiles of the time until they were acknowledged."""
        properties = {"bootstrap.servers": cluster.bootstrap, "acks": "all", **settings}
        rows = [f"{key}={value}" for key, value in properties.items()]
        text = self.run(
            "ProducerPerformance",
            *("--topic", topic, "--num-records", records, "--record-size", size),
            *("--throughput", rate, "--command-property", *rows),
        )
        last = text.strip().splitlines()[-1]
        found = re.search(
            r"^(\d+) records sent, ([\d.]+) records/sec .* ([\d.]+) ms max latency, "
            r"(\d+) ms 50th, \d+ ms 95th, (\d+) ms 99th",
            last,
        )
        if not found or int(found.group(1)) != records:
            raise RuntimeError(f"not all were sent: {last}")
        rate, longest, p50, p99 = map(float, found.group(2, 3, 4, 5))
        return {"records_per_s": rate, "p50_ms": p50, "p99_ms": p99, "max_ms": longest}

    def consume(self, cluster, topic, records):
        text = self.run(
            "ConsumerPerformance",
            *("--bootstrap-server", cluster.bootstrap, "--topic", topic),
            *("--num-records", records, "--timeout", 60000),
        )
        row = text.strip().splitlines()[-1].split(", ")
        return {"mb_per_s": float(row[8]), "records_per_s": float(row[9])}

    def open_load(self, cluster, topic, rate, seconds, size):
        """Percentiles of the time from when a record was due until it was read, whatever stalls."""
        source = pathlib.Path(__file__).with_name("EndToEnd.java")
        words = [*self.java, source, cluster.bootstrap, topic, rate, 5, seconds, size]
        ended = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=seconds + 180)
        if ended.returncode != 0:
            raise RuntimeError(f"EndToEnd: {ended.stdout[-2000:]}{ended.stderr[-2000:]}")
        return {"rate": rate, **json.loads(ended.stdout)}


def create(cluster, topic, partitions):
    """Creates a topic, and waits until every partition has a leader and every replica is in sync."""
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap, **PATIENT})
    admin.create_topics([NewTopic(topic, partitions, 3)], operation_timeout=60)[topic].result(90)
    end = time.monotonic() + 120
    while time.monotonic() < end:
        found = admin.list_topics(topic, timeout=30).topics[topic].partitions
        if len(found) == partitions and all(len(p.isrs) == 3 for p in found.values()):
            return
        time.sleep(0.2)
    raise RuntimeError(f"{topic} is not in sync")


def first_acknowledgement(cluster):
    """Seconds from the start of the processes to the first record on every in-sync replica."""
    producer = Producer({"bootstrap.servers": cluster.bootstrap, "acks": "all", **PATIENT})
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap, **PATIENT})
    end = time.monotonic() + 120
    while time.monotonic() < end:
        try:
            admin.create_topics([NewTopic("first", 1, 3)], request_timeout=2)["first"].result(20)
            break
        except KafkaException as refused:
            # An answer that came too late.
            if refused.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
                break
            time.sleep(0.02)
    told = []
    while not told and time.monotonic() < end:
        producer.produce("first", b"x", on_delivery=lambda error, _: error or told.append(1))
        producer.flush(5)
    if not told:
        raise RuntimeError("nothing was acknowledged within two minutes")
    return time.monotonic() - cluster.started


def measured(cluster, records, size, load):
    """What a load took: its own figures, CPU for a GiB, bytes on the disk for one of payload, flushes of
    the disk for a thousand records."""
    payload_bytes = records * size
    cpu, written, flushes = cluster.cpu_seconds(), cluster.written_bytes(), cluster.disk_flushes()
    result = load()
    gib = payload_bytes / GIB
    result["cpu_s_per_gib"] = (cluster.cpu_seconds() - cpu) / gib
    result["disk_bytes_per_byte"] = (cluster.written_bytes() - written) / payload_bytes
    result["disk_flushes"] = (cluster.disk_flushes() - flushes) * 1000 / records
    result["memory_mib"] = cluster.memory_mib()
    return result


class Workloads:
    """All workloads, at a scale: 1 is what the published figures are of."""

    def __init__(self, clients, scale):
        self.clients = clients
        self.scale = scale

    def count(self, records, least=1000):
        return max(least, int(records * self.scale))

    def started(self, cluster):
        """What a cluster that was just started takes; and its memory after a while in which nobody asks."""
        figures = {"start": {"first_ack_s": first_acknowledgement(cluster)}}
        time.sleep(max(1, 10 * self.scale))
        figures["idle"] = {"memory_mib": cluster.memory_mib()}
        return figures

    def warm_up(self, cluster):
        """The JIT compiler needs it, and a cold one would flatter us."""
        create(cluster, "load", 100)
        create(cluster, "many", 2000)
        self.clients.produce(cluster, "load", self.count(WARM_UP), 1024)

    def produced(self, cluster, part=1.0):
        """Records as fast as they are taken; only a part of them where that takes too long."""
        figures = {}
        for name, (records, size) in LOADS.items():
            records = self.count(records * part)
            figures[name] = measured(
                cluster, records, size, lambda: self.clients.produce(cluster, "load", records, size)
            )
        records = self.count(TINY * part)
        # Each record is a batch of its own, to each partition in turn.
        tiny = {"linger.ms": 0, "batch.size": 0, "partitioner.class": ROUND_ROBIN}
        figures["tiny batches"] = measured(
            cluster, records, 100, lambda: self.clients.produce(cluster, "many", records, 100, **tiny)
        )
        return figures

    def end_to_end(self, cluster, rate):
        """Until a record is read, at a rate that both kinds of brokers can keep up with."""
        create(cluster, "paced", 100)
        found = self.clients.open_load(cluster, "paced", rate, max(10, int(30 * self.scale)), 1024)
        # In a short try Kafka is cold.
        if self.scale >= 1 and found["records_per_s"] < 0.9 * rate:
            raise RuntimeError(f"{rate} records a second were not kept up: {found}")
        return found

    def catch_up(self, cluster):
        """A consumer reads from the beginning what is in nobody's memory."""
        subprocess.run(["sync"], check=True)
        pathlib.Path("/proc/sys/vm/drop_caches").write_text("3")
        records = self.count(CATCH_UP)
        return measured(cluster, records, 1024, lambda: self.clients.consume(cluster, "load", records))

    def leader_killed(self, cluster):
        """The longest that a record waited while a broker was killed, at a thousand records a second."""
        create(cluster, "killed", 6)
        seconds = max(15, int(30 * self.scale))
        with concurrent.futures.ThreadPoolExecutor() as others:
            killer = others.submit(lambda: (time.sleep(6), cluster.kill(1)))
            result = self.clients.produce(cluster, "killed", 1000 * seconds, 100, 1000)
            killer.result()
        return {"max_ms": result["max_ms"], "p99_ms": result["p99_ms"]}
