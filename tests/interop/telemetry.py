"""Clients push their metrics (KIP-714), and a receiver gets them.

Usage: telemetry.py HOLDFAST JARS FOLDER PORT, where JARS has the jars of Kafka's tools, FOLDER is ours
to fill, and PORT the first of four that are free.
"""

import http.server
import subprocess
import sys
import threading

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from as_kafka import OneBroker
from report import case, equal, eventually

TOPIC = "telemetry"


class Receiver(http.server.BaseHTTPRequestHandler):
    """Keeps what is posted."""

    got = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        Receiver.got.append((self.path, self.headers["Content-Type"], body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


def received(client, *metrics):
    """Waits until the receiver has metrics of a client."""

    def check():
        of_client = [row for row in Receiver.got if client.encode() in row[2]]
        equal(bool(of_client), True, f"{len(Receiver.got)} payloads, of {client}")
        for path, kind, _ in of_client:
            equal((path, kind), ("/v1/metrics", "application/x-protobuf"), "posted")
        everything = b"".join(body for _, _, body in of_client)
        missing = [name for name in metrics if name.encode() not in everything]
        equal(missing, [], "metrics that did not come")

    eventually(check, 30)


def librdkafka(bootstrap):
    settings = {"bootstrap.servers": bootstrap}
    admin = AdminClient(settings)
    admin.create_topics([NewTopic(TOPIC, 1, 1)])[TOPIC].result(30)
    producer = Producer({**settings, "client.id": "confluent-writer"})
    consumer = Consumer({**settings, "client.id": "confluent-reader", "group.id": "telemetry"})
    consumer.subscribe([TOPIC])
    for number in range(200):
        producer.produce(TOPIC, str(number))
        producer.poll(0.01)
        consumer.poll(0.01)
    received("confluent-writer", "org.apache.kafka.producer.", "kafka.client.instance.id")
    received("confluent-reader", "org.apache.kafka.consumer.")
    producer.flush(30)
    consumer.close()


def kafkas_tool(bootstrap, jars):
    command = ["java", "-Xmx256m", "-cp", f"{jars}/*", "org.apache.kafka.tools.ProducerPerformance"]
    command += ["--topic", TOPIC, "--num-records", "2000", "--record-size", "100"]
    command += ["--throughput", "500", "--producer-props", f"bootstrap.servers={bootstrap}"]
    command += ["client.id=kafka-writer", "enable.metrics.push=true"]
    subprocess.run(command, check=True, capture_output=True, timeout=90)
    # The last push is that of a client that ends.
    received("kafka-writer", "org.apache.kafka.producer.", "client.address")


def main():
    holdfast, jars, folder, port = *sys.argv[1:4], int(sys.argv[4])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    receiver = f"http://127.0.0.1:{server.server_port}/v1/metrics"
    settings = [f"holdfast.telemetry.receiver={receiver}", "holdfast.telemetry.interval.ms=500"]
    with OneBroker(holdfast, f"{folder}/telemetry", port, *settings):
        bootstrap = f"127.0.0.1:{port}"
        case("confluent-kafka metrics: pushed, and received", librdkafka, bootstrap)
        case("kafka's tools metrics: pushed, and received", kafkas_tool, bootstrap, jars)


if __name__ == "__main__":
    main()
