"""Reads Metadata all the while, as any client may, and writes down how the partitions are.

Every line of its output is one look: milliseconds since 1970, and how many partitions were below
min.insync.replicas, under-replicated and without a leader; then names of those below, if there are any.
A look that nobody answered is a line with minus ones. It ends when its standard input is closed.
"""

import argparse
import select
import sys
import time

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

MIN_IN_SYNC = 2


def look(admin, prefix):
    below, under, leaderless, names = 0, 0, 0, []
    for topic in admin.list_topics(timeout=2).topics.values():
        if not topic.topic.startswith(prefix):
            continue
        for number, partition in topic.partitions.items():
            in_sync, replicas = len(partition.isrs), len(partition.replicas)
            if in_sync < min(MIN_IN_SYNC, replicas):
                below += 1
                names.append(f"{topic.topic}/{number}")
            under += in_sync < replicas
            leaderless += partition.leader < 0
    return below, under, leaderless, names


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--bootstrap", required=True)
    arguments.add_argument("--topics", required=True, help="how their names begin")
    args = arguments.parse_args()
    settings = {
        "bootstrap.servers": args.bootstrap,
        "client.id": "observer",
        # A broker that was cut off says nothing: do not wait a minute for it, ask another.
        "socket.timeout.ms": 1500,
    }
    admin = AdminClient(settings)
    while not select.select([sys.stdin], [], [], 0.2)[0]:
        now = int(time.time() * 1000)
        try:
            below, under, leaderless, names = look(admin, args.topics)
            print(now, below, under, leaderless, *names[:5], flush=True)
        except KafkaException as error:
            print(now, -1, -1, -1, str(error).replace(" ", "_"), flush=True)


if __name__ == "__main__":
    main()
