"""One broker of Apache Kafka, which is its own controller, for as long as a `with` lasts."""

import pathlib
import shutil
import subprocess
import time

PROPERTIES = """
process.roles=broker,controller
node.id=0
broker.rack=a
controller.quorum.voters=0@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={folder}/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=50
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
min.insync.replicas=1
num.partitions=3
"""


class KafkaBroker:
    def __init__(self, jars, folder, port):
        self.folder = pathlib.Path(folder)
        self.port = port
        self.java = ["java", "-Xmx512m", "-cp", f"{jars}/*"]
        self.process = None

    def __enter__(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        properties = self.folder / "server.properties"
        properties.write_text(
            PROPERTIES.format(port=self.port, controller=self.port + 1, folder=self.folder)
        )
        tool = [*self.java, "kafka.tools.StorageTool"]
        self.run([*tool, "format", "-t", "AAAAAAAAAAAAAAAAAAAAAQ", "-c", str(properties)])
        log = open(self.folder / "log", "w")
        command = [*self.java, "kafka.Kafka", str(properties)]
        self.process = subprocess.Popen(command, stdout=log, stderr=log)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    @staticmethod
    def run(command):
        ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
        if ended.returncode != 0:
            raise RuntimeError(f"{command[-4:]}: {ended.stdout}{ended.stderr}")

    def wait(self, ready, seconds=90):
        """Waits until it serves."""
        end = time.monotonic() + seconds
        while not ready():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"Kafka does not come up:\n{(self.folder / 'log').read_text()}")
            time.sleep(0.2)
