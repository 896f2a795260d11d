"""Reads all the while, as an application would, and writes down what it was told was wrong.

A line for each error of the client that an application would see (`X ms text`), and at the end how many
records were read (`R count`). It ends when its standard input is closed.
"""

import argparse
import select
import sys
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--bootstrap", required=True)
    arguments.add_argument("--topic", required=True)
    arguments.add_argument("--partitions", type=int, required=True)
    args = arguments.parse_args()

    consumer = Consumer(
        {
            "bootstrap.servers": args.bootstrap,
            "client.id": f"reader-{args.topic}",
            "group.id": "unused",
            "enable.auto.commit": False,
        }
    )
    places = [TopicPartition(args.topic, p, OFFSET_BEGINNING) for p in range(args.partitions)]
    consumer.assign(places)
    count = 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        for message in consumer.consume(500, timeout=0.2):
            if message.error():
                print("X", int(time.time() * 1000), message.error(), flush=True)
            else:
                count += 1
    print("R", count, flush=True)
    consumer.close()


if __name__ == "__main__":
    main()
