"""Writes records as fast as they are taken, or one at a time, and prints how it went as JSON.

With --paced N it writes N records, each once the one before is acknowledged, and prints the time of
each acknowledgement; else it writes --bytes of records round robin over the partitions. The client
is idempotent and keeps its other defaults but for --linger-ms.
"""

import argparse
import json
import os
import sys
import time

from confluent_kafka import Producer


def payloads(size):
    """Incompressible records, several so that no two neighbours are alike."""
    noise = os.urandom(size + 64)
    return [noise[start : start + size] for start in range(64)]


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--bootstrap", required=True)
    arguments.add_argument("--topic", required=True)
    arguments.add_argument("--partitions", type=int, required=True)
    arguments.add_argument("--size", type=int, default=1024, help="bytes of a record")
    arguments.add_argument("--bytes", type=int, default=0, help="bytes of all records")
    arguments.add_argument("--paced", type=int, default=0, help="records, one at a time")
    arguments.add_argument("--linger-ms", type=float, default=1)
    args = arguments.parse_args()

    failed = []
    producer = Producer(
        {
            "bootstrap.servers": args.bootstrap,
            "client.id": "load",
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": args.linger_ms,
        }
    )

    def reported(error, _message):
        if error is not None:
            failed.append(str(error))

    values = payloads(args.size)
    # The first record of each partition pays for connections, metadata and the producer's id.
    for partition in range(args.partitions):
        producer.produce(args.topic, values[0], partition=partition, on_delivery=reported)
    producer.flush()

    latencies = []
    begun = time.monotonic()
    if args.paced:
        for number in range(args.paced):
            sent = time.monotonic()
            producer.produce(
                args.topic,
                values[number % 64],
                partition=number % args.partitions,
                on_delivery=reported,
            )
            producer.flush()
            latencies.append(time.monotonic() - sent)
    else:
        for number in range(args.bytes // args.size):
            while True:
                try:
                    producer.produce(
                        args.topic, values[number % 64], partition=number % args.partitions
                    )
                    break
                except BufferError:
                    producer.poll(0.01)
            if number % 1000 == 0:
                producer.poll(0)
        if producer.flush() > 0:
            failed.append("not everything was acknowledged")
    seconds = time.monotonic() - begun
    if failed:
        sys.exit(f"{len(failed)} records failed: {failed[0]}")
    json.dump({"seconds": seconds, "latencies": latencies}, sys.stdout)


main()
