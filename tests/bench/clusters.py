"""Three brokers of Holdfast, and three of Apache Kafka, each at its defaults, for as long as a `with` lasts."""

import os
import pathlib
import re
import shutil
import subprocess
import time

from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource

BROKERS = 3

# What Kafka's own start script gives its brokers.
JAVA = [
    "java",
    "-Xmx1G",
    "-Xms1G",
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-Djava.awt.headless=true",
]

KAFKA = """
process.roles=broker,controller
node.id={node}
broker.rack={rack}
controller.quorum.voters={voters}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={folder}/data
default.replication.factor=3
min.insync.replicas=2
offsets.topic.replication.factor=3
transaction.state.log.replication.factor=3
group.initial.rebalance.delay.ms=0
"""

HOLDFAST = """
broker_id = {node}
zone = "{rack}"
data_dir = "{folder}/data"
admin_bind = "127.0.0.1:{admin}"

[rpc]
bind = "127.0.0.1:{peers}"

[[listeners]]
name = "PLAINTEXT"
bind = "127.0.0.1:{port}"
"""


class Cluster:
    """Processes that are measured from outside."""

    def __init__(self, folder, port):
        self.folder = pathlib.Path(folder)
        self.port = port
        self.bootstrap = ",".join(f"127.0.0.1:{port + n}" for n in range(BROKERS))
        self.processes = []
        shutil.rmtree(self.folder, ignore_errors=True)
        for node in range(BROKERS):
            self.home(node).mkdir(parents=True)

    def home(self, node):
        return self.folder / f"broker-{node}"

    def format(self):
        """Prepares the disks, and writes what the brokers are started with."""
        raise NotImplementedError

    def command(self, node):
        raise NotImplementedError

    def __enter__(self):
        self.format()
        self.start_again()
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start_again(self):
        """Starts all with the data they have."""
        self.started = time.monotonic()
        self.processes = []
        for node in range(BROKERS):
            # The end of its log is what a broker that does not start leaves.
            with open(self.home(node) / "log", "a") as log:
                self.processes.append(subprocess.Popen(self.command(node), stdout=log, stderr=log))

    def must_run(self):
        """Says what a broker that ended by itself said last."""
        for node, process in enumerate(self.processes):
            if process.poll() is not None:
                last = (self.home(node) / "log").read_text()[-2000:]
                raise RuntimeError(f"broker {node} ended: {process.returncode}: {last}")

    def kill(self, node):
        self.processes[node].kill()
        self.processes[node].wait()

    def end_at_once(self):
        for node in range(BROKERS):
            self.kill(node)

    def pids(self):
        return [process.pid for process in self.processes if process.poll() is None]

    def cpu_seconds(self):
        """User and system time of all brokers so far."""
        ticks = 0
        for pid in self.pids():
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / 100

    def written_bytes(self):
        """What the brokers had written to the disk so far."""
        total = 0
        for pid in self.pids():
            text = pathlib.Path(f"/proc/{pid}/io").read_text()
            total += int(re.search(r"^write_bytes: (\d+)", text, re.M).group(1))
        return total

    def disk_flushes(self):
        """How often the disk under the folder was told to make everything durable, by whomever, so far."""
        device = self.folder.stat().st_dev
        path = pathlib.Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve()
        # What is flushed is the disk, not a part of it.
        if (path / "partition").exists():
            path = path.parent
        return int((path / "stat").read_text().split()[15])

    def memory_mib(self):
        """Resident memory of a broker, the median of all."""
        sizes = []
        for pid in self.pids():
            text = pathlib.Path(f"/proc/{pid}/status").read_text()
            sizes.append(int(re.search(r"^VmRSS:\s+(\d+)", text, re.M).group(1)) / 1024)
        return sorted(sizes)[len(sizes) // 2]


class KafkaCluster(Cluster):
    """Kafka at its defaults."""

    def __init__(self, jars, folder, port):
        super().__init__(folder, port)
        self.jars = jars

    def format(self):
        controllers = [self.port + 10 + n for n in range(BROKERS)]
        voters = ",".join(f"{n}@127.0.0.1:{p}" for n, p in enumerate(controllers))
        for node in range(BROKERS):
            properties = self.home(node) / "server.properties"
            properties.write_text(
                KAFKA.format(
                    node=node,
                    rack="abc"[node],
                    voters=voters,
                    port=self.port + node,
                    controller=controllers[node],
                    folder=self.home(node),
                )
            )
            tool = ["java", "-cp", f"{self.jars}/*", "kafka.tools.StorageTool", "format"]
            run(*tool, "-t", "AAAAAAAAAAAAAAAAAAAAAQ", "-c", properties)

    def command(self, node):
        return [*JAVA, "-cp", f"{self.jars}/*", "kafka.Kafka", str(self.home(node) / "server.properties")]

    def sync_each_message(self, synced):
        """From now on it syncs each message before it acknowledges, or does as it does by default."""
        name = "log.flush.interval.messages"
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        act = AlterConfigOpType.SET if synced else AlterConfigOpType.DELETE
        entry = ConfigEntry(name, "1" if synced else None, incremental_operation=act)
        for node in map(str, range(BROKERS)):
            asked = ConfigResource(ConfigResource.Type.BROKER, node, incremental_configs=[entry])
            admin.incremental_alter_configs([asked])[asked].result(30)
            for _ in range(100):
                if (admin.describe_configs([asked])[asked].result(30)[name].value == "1") == synced:
                    break
                time.sleep(0.1)
            else:
                raise RuntimeError(f"broker {node} does not take {name}")


class HoldfastCluster(Cluster):
    """Ours at its defaults."""

    def __init__(self, holdfast, folder, port):
        super().__init__(folder, port)
        self.holdfast = holdfast

    def format(self):
        formation = self.folder / "formation.toml"
        voters = []
        for node in range(BROKERS):
            voters += ["--voter", f"{node}@127.0.0.1:{self.port + 10 + node}/{'abc'[node]}"]
        run(self.holdfast, "format", "--new-cluster", "--formation", formation, *voters)
        for node in range(BROKERS):
            home = self.home(node)
            disk = ["--broker-id", node, "--data-dir", home / "data"]
            run(self.holdfast, "format", *disk, "--formation", formation)
            settings = HOLDFAST.format(
                node=node,
                rack="abc"[node],
                folder=home,
                port=self.port + node,
                peers=self.port + 10 + node,
                admin=self.port + 20 + node,
            )
            (home / "holdfast.toml").write_text(settings)

    def command(self, node):
        return [self.holdfast, "serve", "--config", str(self.home(node) / "holdfast.toml")]


def run(*command):
    ended = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=120)
    if ended.returncode != 0:
        raise RuntimeError(f"{command[0]}: {ended.stdout[-2000:]}{ended.stderr[-2000:]}")
