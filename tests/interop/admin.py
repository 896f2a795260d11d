"""What confluent-kafka's AdminClient does.

Usage: admin.py BOOTSTRAP COMMAND..., where COMMAND kill N and COMMAND revive N end a broker without
warning and bring it back.
"""

import subprocess
import sys

from confluent_kafka import (
    ElectionType,
    IsolationLevel,
    KafkaException,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

import wire
from report import case, equal, eventually

EPOCH = 1_700_000_000_000


class Cases:
    def __init__(self, bootstrap, command):
        self.bootstrap = bootstrap
        self.command = command
        self.admin = AdminClient({"bootstrap.servers": bootstrap})

    def create(self, name, partitions, replicas=None, **configs):
        spread = {"replica_assignment": replicas} if replicas else {"replication_factor": 3}
        topic = NewTopic(name, partitions, config=configs, **spread)
        self.done(self.admin.create_topics([topic]))
        # As with Kafka, each broker hears of a new topic in its own time.
        for broker in self.bootstrap.split(","):
            eventually(lambda: equal(wire.knows(broker, name), True, f"{name} at {broker}"))

    @staticmethod
    def done(futures):
        """The result of the one future."""
        ((_, future),) = futures.items()
        return future.result(30)

    def refused(self, wanted, futures):
        try:
            self.done(futures)
        except KafkaException as error:
            equal(error.args[0].name(), wanted, "error")
            return
        raise AssertionError(f"no {wanted}")

    def operations(self):
        self.create("py-allowed", 1)
        topics = TopicCollection(["py-allowed"])
        asked = self.admin.describe_topics(topics, include_authorized_operations=True)
        equal(bool(self.done(asked).authorized_operations), True, "of the topic")
        cluster = self.admin.describe_cluster(include_authorized_operations=True).result(30)
        equal(bool(cluster.authorized_operations), True, "of the cluster")

    def topics(self):
        self.create("py-topic", 2)
        described = self.done(self.admin.describe_topics(TopicCollection(["py-topic"])))
        equal(len(described.partitions), 2, "partitions")
        for partition in described.partitions:
            equal({node.rack for node in partition.replicas}, {"a", "b", "c"}, "zones")
        equal("py-topic" in self.admin.list_topics(timeout=10).topics, True, "listed")
        again = [NewTopic("py-topic", 2, 3)]
        self.refused("TOPIC_ALREADY_EXISTS", self.admin.create_topics(again))
        self.done(self.admin.create_partitions([NewPartitions("py-topic", 4)]))
        eventually(
            lambda: equal(
                len(self.admin.list_topics("py-topic", timeout=10).topics["py-topic"].partitions),
                4,
                "partitions",
            )
        )
        fewer = [NewPartitions("py-topic", 3)]
        self.refused("INVALID_PARTITIONS", self.admin.create_partitions(fewer))
        self.done(self.admin.delete_topics(["py-topic"]))
        self.refused("UNKNOWN_TOPIC_OR_PART", self.admin.delete_topics(["py-topic"]))

    def setting(self, name):
        resource = ConfigResource(ResourceType.TOPIC, "py-tuned")
        return self.done(self.admin.describe_configs([resource]))[name].value

    def alter(self, *entries):
        resource = ConfigResource(
            ResourceType.TOPIC, "py-tuned", incremental_configs=list(entries)
        )
        return self.admin.incremental_alter_configs([resource])

    def settings(self):
        self.create("py-tuned", 1, **{"retention.ms": "1000000"})
        equal(self.setting("retention.ms"), "1000000", "as created")
        equal(self.setting("min.insync.replicas"), "2", "default")
        update = ConfigEntry(
            "max.message.bytes", "2000000", incremental_operation=AlterConfigOpType.SET
        )
        self.done(self.alter(update))
        eventually(lambda: equal(self.setting("max.message.bytes"), "2000000", "altered"))
        # AlterConfigs replaces everything: what it does not name falls back to its default.
        resource = ConfigResource(
            ResourceType.TOPIC, "py-tuned", set_config={"retention.bytes": "5000000"}
        )
        self.done(self.admin.alter_configs([resource]))
        eventually(lambda: equal(self.setting("retention.bytes"), "5000000", "replaced"))
        equal(self.setting("retention.ms"), "604800000", "back to the default")
        equal(self.setting("max.message.bytes"), "1048588", "back to the default")
        wrong = ConfigEntry(
            "min.insync.replicas", "no", incremental_operation=AlterConfigOpType.SET
        )
        self.refused("INVALID_CONFIG", self.alter(wrong))

    def offset(self, partition, spec):
        futures = self.admin.list_offsets(
            {partition: spec}, isolation_level=IsolationLevel.READ_UNCOMMITTED
        )
        return self.done(futures).offset

    def offsets(self):
        self.create("py-timed", 1)
        producer = Producer({"bootstrap.servers": self.bootstrap})
        for i in range(10):
            time = EPOCH + (100_000 if i == 6 else i * 1000)
            producer.produce("py-timed", b"%d" % i, timestamp=time, partition=0)
        equal(producer.flush(30), 0, "undelivered")
        at = TopicPartition("py-timed", 0)
        equal(self.offset(at, OffsetSpec.earliest()), 0, "earliest")
        equal(self.offset(at, OffsetSpec.latest()), 10, "latest")
        equal(self.offset(at, OffsetSpec.max_timestamp()), 6, "max timestamp")
        equal(self.offset(at, OffsetSpec.for_timestamp(EPOCH + 3500)), 4, "by time")
        equal(self.offset(at, OffsetSpec.for_timestamp(EPOCH + 100_001)), -1, "after all")
        deleted = self.done(self.admin.delete_records([TopicPartition("py-timed", 0, 3)]))
        equal(deleted.low_watermark, 3, "low watermark")
        equal(self.offset(at, OffsetSpec.earliest()), 3, "earliest")
        beyond = [TopicPartition("py-timed", 0, 11)]
        self.refused("OFFSET_OUT_OF_RANGE", self.admin.delete_records(beyond))

    def cluster(self):
        cluster = self.admin.describe_cluster().result(30)
        equal(sorted(node.rack for node in cluster.nodes), ["a", "b", "c"], "zones")
        equal(cluster.controller.id in (0, 1, 2), True, "controller")


    def broker(self, verb, number):
        subprocess.run(
            [*self.command, verb, str(number)], check=True, capture_output=True, timeout=60
        )

    def elect(self, kind, partitions):
        """What each partition is told. A client that has just lost a broker may have to ask again."""
        try:
            results = self.admin.elect_leaders(kind, partitions).result(30)
        except KafkaException as error:
            raise AssertionError(str(error)) from error
        return {(p.topic, p.partition): e and e.name() for p, e in results.items()}

    def elections(self):
        """Leaders that moved away from a dead broker come back when they are told to."""
        replicas = [[0, 1, 2], [1, 2, 0], [2, 0, 1]]
        self.create("py-elected", 3, replicas)
        partitions = [TopicPartition("py-elected", p) for p in range(3)]
        preferred = {p: ids[0] for p, ids in enumerate(replicas)}

        def rows():
            # A client that has just lost a broker may be slow to find another one.
            try:
                found = self.admin.list_topics("py-elected", timeout=10)
            except KafkaException as error:
                raise AssertionError(str(error)) from error
            return found.topics["py-elected"].partitions.values()

        self.broker("kill", 0)
        try:
            eventually(lambda: equal({row.leader for row in rows()} <= {1, 2}, True, "moved"), 60)
            moved = partitions[:1]
            for kind, wanted in [
                (ElectionType.PREFERRED, "PREFERRED_LEADER_NOT_AVAILABLE"),
                (ElectionType.UNCLEAN, "ELECTION_NOT_NEEDED"),
            ]:
                eventually(
                    lambda: equal(set(self.elect(kind, moved).values()), {wanted}, "while it is gone")
                )
        finally:
            self.broker("revive", 0)
        eventually(lambda: equal(min(len(row.isrs) for row in rows()), 3, "in sync"), 60)
        told = self.elect(ElectionType.PREFERRED, partitions)
        # Whoever comes back leads again by itself after a while.
        equal(set(told.values()) <= {None, "ELECTION_NOT_NEEDED"}, True, f"told {told}")
        eventually(lambda: equal({row.id: row.leader for row in rows()}, preferred, "leaders"))
        # Of all partitions it is told what moved, until nothing is left to move.
        eventually(lambda: equal(self.elect(ElectionType.PREFERRED, None), {}, "of all"))


def main():
    cases = Cases(sys.argv[1], sys.argv[2:])
    case("confluent-kafka admin: topics and partitions", cases.topics)
    case("confluent-kafka admin: settings", cases.settings)
    case("confluent-kafka admin: offsets and deleting records", cases.offsets)
    case("confluent-kafka admin: the cluster", cases.cluster)
    case("confluent-kafka admin: what may be done", cases.operations)
    case("confluent-kafka admin: the preferred leader leads again", cases.elections)


if __name__ == "__main__":
    main()
