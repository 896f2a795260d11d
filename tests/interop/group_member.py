"""A member of a consumer group as a process of its own, that can be killed (confluent-kafka).

Usage: group_member.py LOG TOPIC SETTINGS, the last as JSON. It appends a line to LOG for each thing that happens to it,
whole or not at all: the time that all processes of the machine share, what happens, a partition, an offset.
"""

import json
import os
import sys
import time

from confluent_kafka import Consumer, KafkaException

# Commits a second, if there is something to commit.
COMMIT_EVERY = 0.1


class Member:
    def __init__(self, log, topic, settings):
        self.log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.consumer = Consumer(settings)
        self.consumer.subscribe(
            [topic],
            on_assign=lambda _, partitions: self.each("assigned", partitions),
            on_revoke=lambda _, partitions: self.each("revoked", partitions),
            on_lost=lambda _, partitions: self.each("lost", partitions),
        )

    def say(self, *words):
        os.write(self.log, (" ".join(map(str, (time.monotonic(), *words))) + "\n").encode())

    def each(self, what, partitions):
        for partition in partitions:
            self.say(what, partition.partition, -1)

    def run(self):
        while True:
            messages = self.consumer.consume(500, COMMIT_EVERY)
            ends = {}
            for message in messages:
                if message.error():
                    self.say("error", -1, message.error().name())
                    continue
                if message.partition() not in ends:
                    self.say("reads", message.partition(), message.offset())
                ends[message.partition()] = message.offset() + 1
            if ends:
                self.commit(ends)

    def commit(self, ends):
        for partition, end in ends.items():
            self.say("commits", partition, end)
        try:
            for done in self.consumer.commit(asynchronous=False):
                # Of a partition that nothing was read from yet there is nothing to commit.
                if done.error is None and done.offset >= 0:
                    self.say("committed", done.partition, done.offset)
        except KafkaException as error:
            # Of a group that changes meanwhile, or of a coordinator that is no more.
            self.say("error", -1, error.args[0].name())


def main():
    log, topic, settings = sys.argv[1:]
    Member(log, topic, json.loads(settings)).run()


if __name__ == "__main__":
    main()
