"""Three brokers of Holdfast, and three of Apache Kafka, each at its defaults, for as long as a `with` lasts."""

import os
import pathlib
import re
import shutil
import signal
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


class Cluster:
    """Processes that are measured from outside."""

    def __init__(self, folder, port):
        self.folder = pathlib.Path(folder)
        self.port = port
        self.bootstrap = ",".join(f"127.0.0.1:{port + n}" for n in range(BROKERS))
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)

    def pids(self):
        raise NotImplementedError

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
        fields = pathlib.Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat").read_text().split()
        return int(fields[15])

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
        self.processes = []

    def sync_each_message(self):
        """From now on it syncs each message before it acknowledges."""
        name = "log.flush.interval.messages"
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        entry = ConfigEntry(name, "1", incremental_operation=AlterConfigOpType.SET)
        for node in map(str, range(BROKERS)):
            asked = ConfigResource(ConfigResource.Type.BROKER, node, incremental_configs=[entry])
            admin.incremental_alter_configs([asked])[asked].result(30)
            for _ in range(100):
                if admin.describe_configs([asked])[asked].result(30)[name].value == "1":
                    break
                time.sleep(0.1)
            else:
                raise RuntimeError(f"broker {node} does not sync each message")

    def format(self):
        controllers = [self.port + 10 + n for n in range(BROKERS)]
        voters = ",".join(f"{n}@127.0.0.1:{p}" for n, p in enumerate(controllers))
        for node in range(BROKERS):
            folder = self.folder / f"broker-{node}"
            folder.mkdir()
            text = KAFKA.format(
                node=node,
                rack="abc"[node],
                voters=voters,
                port=self.port + node,
                controller=controllers[node],
                folder=folder,
            )
            properties = folder / "server.properties"
            properties.write_text(text)
            tool = ["java", "-cp", f"{self.jars}/*", "kafka.tools.StorageTool", "format"]
            command = [*tool, "-t", "AAAAAAAAAAAAAAAAAAAAAQ", "-c", str(properties)]
            subprocess.run(command, check=True, capture_output=True, timeout=120)

    def __enter__(self):
        self.format()
        self.started = time.monotonic()
        self.processes = [self.start(node) for node in range(BROKERS)]
        return self

    def start(self, node):
        folder = self.folder / f"broker-{node}"
        command = [*JAVA, "-cp", f"{self.jars}/*", "kafka.Kafka", str(folder / "server.properties")]
        log = open(folder / "log", "a")
        return subprocess.Popen(command, stdout=log, stderr=log)

    def __exit__(self, *_):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def pids(self):
        return [process.pid for process in self.processes if process.poll() is None]

    def kill(self, node):
        self.processes[node].kill()
        self.processes[node].wait()


class HoldfastCluster(Cluster):
    """Ours, as `holdfast dev` starts it."""

    def __init__(self, holdfast, folder, port):
        super().__init__(folder, port)
        data = self.folder / "cluster"
        self.command = [holdfast, "dev", "--base-port", str(port), "--dir", str(data)]
        self.process = None

    def __enter__(self):
        self.started = time.monotonic()
        self.start_again()
        return self

    def start_again(self):
        """Starts it with the data it has."""
        command = [*self.command, "--brokers", str(BROKERS)]
        self.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )

    def end_at_once(self):
        """Ends all processes without asking."""
        for pid in self.pids():
            os.kill(pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.end_at_once()
        shutil.rmtree(self.folder, ignore_errors=True)

    def pids(self):
        threads = pathlib.Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return [int(pid) for children in threads for pid in children.read_text().split()]

    def ask(self, *words):
        command = [*self.command, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout

    def kill(self, node):
        self.ask("kill", str(node))
