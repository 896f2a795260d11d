"""What Kafka's own command-line tools do, of the newest Kafka.

Usage: tools.py BOOTSTRAP JARS, where JARS is the folder with the jars of kafka-tools.
"""

import json
import re
import subprocess
import sys
import tempfile

from report import case, equal

TOPIC = "tools"
GROUP = "tools-group"
RECORDS = 1000
PACKAGE = "org.apache.kafka.tools."
JAVA = ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1"]


class Cases:
    def __init__(self, bootstrap, jars):
        self.bootstrap = bootstrap
        self.jars = jars

    def tool(self, name, *args, stdin=None, fails=False):
        """What a tool prints."""
        command = [*JAVA, "-cp", f"{self.jars}/*", PACKAGE + name]
        address = ["--bootstrap-server", self.bootstrap]
        # Its verb comes first.
        args = [*args, *address] if name == "ClusterTool" else [*address, *args]
        ended = subprocess.run(
            [*command, *args],
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=90,
        )
        if not fails and ended.returncode != 0:
            raise AssertionError(f"{name} ended with {ended.returncode}: {ended.stdout}")
        return ended.stdout

    @staticmethod
    def says(text, *wanted):
        for each in wanted:
            equal(re.search(each, text, re.MULTILINE) is not None, True, f"{each!r} in {text}")

    def topics(self):
        command = "TopicCommand"
        made = self.tool(
            command,
            "--create",
            "--topic",
            TOPIC,
            "--partitions",
            "3",
            "--replication-factor",
            "3",
            "--config",
            "retention.ms=100000000",
        )
        self.says(made, f"Created topic {TOPIC}")
        again = self.tool(command, "--create", "--topic", TOPIC, fails=True)
        self.says(again, "already exists")
        described = self.tool(command, "--describe", "--topic", TOPIC)
        self.says(described, r"PartitionCount: 3\s+ReplicationFactor: 3", "retention.ms=100000000")
        equal(len(re.findall(r"Isr: \d,\d,\d", described)), 3, "partitions in sync")
        self.says(self.tool(command, "--list"), f"^{TOPIC}$")
        self.tool(command, "--alter", "--topic", TOPIC, "--partitions", "4")
        fewer = self.tool(command, "--alter", "--topic", TOPIC, "--partitions", "2", fails=True)
        self.says(fewer, "InvalidPartitionsException|fewer|currently has 4")
        self.tool(command, "--create", "--topic", "tools-gone")
        self.tool(command, "--delete", "--topic", "tools-gone")
        gone = self.tool(command, "--describe", "--topic", "tools-gone", fails=True)
        self.says(gone, "does not exist")
        self.tool(command, "--describe", "--unavailable-partitions")

    def settings(self):
        def config(kind, name, *args, **kwargs):
            entity = ["--entity-type", kind, "--entity-name", name]
            return self.tool("ConfigCommand", *entity, *args, **kwargs)

        changes = ["--add-config", "max.message.bytes=2000000", "--delete-config", "retention.ms"]
        self.says(config("topics", TOPIC, "--alter", *changes), "Completed updating config")
        described = config("topics", TOPIC, "--describe")
        self.says(described, "max.message.bytes=2000000 sensitive=false", "DEFAULT_CONFIG:message.max")
        equal("retention.ms" in described, False, "retention.ms is back to its default")
        self.says(config("topics", TOPIC, "--describe", "--all"), "min.insync.replicas=2")
        wrong = ["--alter", "--add-config", "retention.ms=soon"]
        self.says(config("topics", TOPIC, *wrong, fails=True), "InvalidConfigurationException")
        everything = config("brokers", "0", "--describe", "--all")
        self.says(everything, "^  node.id=0 ", "^  num.partitions=", "^  log.dirs=")
        self.tool("ConfigCommand", "--entity-type", "client-metrics", "--describe")

    def quotas(self):
        def config(*args, **kwargs):
            return self.tool("ConfigCommand", "--entity-type", "clients", *args, **kwargs)

        limits = "producer_byte_rate=1048576,request_percentage=12.5"
        config("--entity-name", "app", "--alter", "--add-config", limits)
        config("--entity-default", "--alter", "--add-config", "consumer_byte_rate=4096")
        described = config("--describe")
        self.says(described, "'app'.*producer_byte_rate=1048576.0", "request_percentage=12.5")
        self.says(described, "default.*consumer_byte_rate=4096.0")
        wrong = ["--alter", "--add-config", "producer_byte_rate=-1"]
        self.says(config("--entity-name", "app", *wrong, fails=True), "InvalidRequest|above zero")
        gone = ["--alter", "--delete-config", "producer_byte_rate,request_percentage"]
        config("--entity-name", "app", *gone)
        equal("app" in config("--describe"), False, "nothing is left of app's")

    def records(self):
        lines = "".join(f"key-{i}:value {i}\n" for i in range(RECORDS))
        keyed = ["--reader-property", "parse.key=true", "--reader-property", "key.separator=:"]
        self.tool("ConsoleProducer", "--topic", TOPIC, *keyed, stdin=lines)
        read = self.tool(
            "consumer.ConsoleConsumer",
            *["--topic", TOPIC, "--group", GROUP, "--from-beginning"],
            *["--max-messages", str(RECORDS), "--timeout-ms", "30000"],
            *["--formatter-property", "print.key=true"],
        )
        values = {line for line in read.splitlines() if "\tvalue " in line}
        equal(values, {f"key-{i}\tvalue {i}" for i in range(RECORDS)}, "read")
        ends = self.tool("GetOffsetShell", "--topic", TOPIC)
        equal(sum(map(int, re.findall(rf"^{TOPIC}:\d:(\d+)$", ends, re.M))), RECORDS, "ends")
        begins = self.tool("GetOffsetShell", "--topic", TOPIC, "--time", "earliest")
        equal(re.findall(rf"^{TOPIC}:\d:(\d+)$", begins, re.M), ["0"] * 4, "begins")

    def groups(self):
        command = "consumer.group.ConsumerGroupCommand"
        self.says(self.tool(command, "--list"), f"^{GROUP}$")
        described = self.tool(command, "--describe", "--group", GROUP)
        rows = re.findall(rf"^{GROUP}\s+{TOPIC}\s+\d\s+(\d+)\s+(\d+)\s+(\d+)", described, re.M)
        equal(sum(int(committed) for committed, _, _ in rows), RECORDS, "committed")
        equal({lag for _, _, lag in rows}, {"0"}, "lag")
        self.says(self.tool(command, "--describe", "--group", GROUP, "--state"), r"Empty\s+0")
        reset = ["--reset-offsets", "--group", GROUP, "--topic", TOPIC, "--to-earliest"]
        self.tool(command, *reset, "--dry-run")
        still = self.tool(command, "--describe", "--group", GROUP)
        equal(described, still, "after a preview")
        self.tool(command, *reset, "--execute")
        self.says(
            self.tool(command, "--describe", "--group", GROUP),
            rf"^{GROUP}\s+{TOPIC}\s+\d\s+0\s+[1-9]\d*\s+[1-9]",
        )
        self.says(self.tool("GroupsCommand", "--list"), rf"^{GROUP}\s+Classic")
        self.says(self.tool(command, "--delete", "--group", GROUP), "successful")
        gone = self.tool(command, "--describe", "--group", GROUP, fails=True)
        self.says(gone, "GroupIdNotFound|not found|does not exist")

    def deleting_records(self):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            partitions = [{"topic": TOPIC, "partition": p, "offset": -1} for p in range(4)]
            json.dump({"partitions": partitions, "version": 1}, file)
            file.flush()
            told = self.tool("DeleteRecordsCommand", "--offset-json-file", file.name)
        marks = [int(mark) for mark in re.findall(r"low_watermark: (\d+)", told)]
        equal((len(marks), sum(marks)), (4, RECORDS), "low watermarks")

    def cluster(self):
        self.says(self.tool("ClusterTool", "cluster-id"), "Cluster ID: .{22}$")
        ends = self.tool("ClusterTool", "list-endpoints")
        equal(len(re.findall(r" unfenced +broker", ends)), 3, "endpoints")
        dirs = self.tool("LogDirsCommand", "--describe", "--topic-list", TOPIC)
        found = json.loads(dirs[dirs.index("{") :].splitlines()[0])
        held = [len(d["partitions"]) for b in found["brokers"] for d in b["logDirs"]]
        equal(held, [4, 4, 4], "partitions by log directory")
        versions = self.tool("BrokerApiVersionsCommand")
        self.says(versions, r"Produce\(0\): 0 to 13", r"ConsumerGroupHeartbeat\(68\): 0 to 1")

    def quorum(self):
        status = self.tool("MetadataQuorumCommand", "describe", "--status")
        self.says(status, r"LeaderId:\s+\d", r"HighWatermark:\s+[1-9]")
        replication = self.tool("MetadataQuorumCommand", "describe", "--replication")
        equal(len(re.findall(r"Leader|Follower", replication)), 3, "voters")

    def features(self):
        described = self.tool("FeatureCommand", "describe")
        self.says(described, r"Feature: group.version\s.*FinalizedVersionLevel: 1")
        self.tool("FeatureCommand", "upgrade", "--feature", "group.version=1")
        down = self.tool("FeatureCommand", "downgrade", "--feature", "group.version=0", fails=True)
        self.says(down, "what is on stays on")

    def elections(self):
        command = "LeaderElectionCommand"
        self.tool(command, "--election-type", "preferred", "--all-topic-partitions")
        one = ["--topic", TOPIC, "--partition", "0"]
        self.says(
            self.tool(command, "--election-type", "unclean", *one), "needed|already|Valid replica"
        )
        listed = self.tool("reassign.ReassignPartitionsCommand", "--list")
        self.says(listed, "No partition reassignments found")

    def measuring(self):
        load = ["--num-records", "5000", "--record-size", "100"]
        sent = self.tool("ProducerPerformance", "--topic", TOPIC, *load, "--throughput", "-1")
        self.says(sent, "^5000 records sent")
        read = self.tool("ConsumerPerformance", "--topic", TOPIC, "--num-records", "5000")
        self.says(read, r"^\d{4}-.*, 5\d{3}, ")
        few = ["--num-records", "20", "--record-size", "100", "--producer-acks", "all"]
        self.says(self.tool("EndToEndLatency", "--topic", TOPIC, *few), "Percentiles")
        verified = self.tool("VerifiableProducer", "--topic", TOPIC, "--max-messages", "20")
        self.says(verified, '"sent":20,"acked":20')


def main():
    cases = Cases(sys.argv[1], sys.argv[2])
    case("kafka's tools: topics", cases.topics)
    case("kafka's tools: settings", cases.settings)
    case("kafka's tools: quotas of clients", cases.quotas)
    case("kafka's tools: records in and out", cases.records)
    case("kafka's tools: groups", cases.groups)
    case("kafka's tools: deleting records", cases.deleting_records)
    case("kafka's tools: the cluster", cases.cluster)
    case("kafka's tools: the metadata quorum", cases.quorum)
    case("kafka's tools: features", cases.features)
    case("kafka's tools: elections", cases.elections)
    case("kafka's tools: load", cases.measuring)


if __name__ == "__main__":
    main()
