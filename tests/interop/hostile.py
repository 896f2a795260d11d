"""Hostile clients over plain sockets, while a well-behaved one goes on.

Usage: hostile.py BOOTSTRAP COMMAND..., where the command shows the brokers as JSON.
After each attack the brokers must be the same processes, within their memory, and the well-behaved
client must have seen nothing of it. INTEROP_IDLE is how many idle connections there are.
"""

import contextlib
import os
import random
import resource
import socket
import struct
import sys
import time

import batches
import wire
from bystander import Bystander
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from processes import Processes
from report import case, equal, eventually

TARGET = "target"
# A topic that nobody writes to.
EMPTY = "empty"
# How long the well-behaved client may wait for one answer on a machine with little to spare.
PATIENCE = 10
FILL_BYTES = 400 << 20


def dense_fetch(topic, partitions, epoch, wait):
    """A framed Fetch of many partitions; epoch 0 opens a session, and -1 is outside of all."""
    body = struct.pack(">iii", -1, wait, 1) + struct.pack(">ibii", 50 << 20, 0, 0, epoch)
    body += struct.pack(">i", 1) + wire.string(topic) + struct.pack(">i", len(partitions))
    body += b"".join(struct.pack(">iiqqi", p, -1, 0, -1, 1 << 20) for p in partitions)
    body += struct.pack(">i", 0) + wire.string("")
    return wire.framed(wire.header(wire.FETCH, 11) + body)


class Attacks:
    def __init__(self, bootstrap, command):
        self.bootstrap = bootstrap
        self.brokers = bootstrap.split(",")
        self.random = random.Random(20)
        self.processes = Processes(command)
        admin = AdminClient({"bootstrap.servers": bootstrap})
        for topic, partitions in [(TARGET, 3), (EMPTY, 1)]:
            admin.create_topics([NewTopic(topic, partitions, 3)])[topic].result(30)
            for broker in self.brokers:
                eventually(lambda: equal(wire.knows(broker, topic), True, topic))
        self.leaders = wire.leaders(self.brokers[0], TARGET)
        self.bystander = Bystander(bootstrap)

    def attack(self, name, what):
        def run():
            what()
            self.bystander.unharmed(PATIENCE)
            self.processes.are_the_same()
            self.processes.memory()

        case(f"hostile: {name}", run)

    def send(self, data, broker=None):
        """Sends bytes, ends its half, and reads what comes until the broker closes."""
        address = broker or self.random.choice(self.brokers)
        with contextlib.closing(wire.connect(address)) as connection:
            # The broker may have closed before all is sent.
            with contextlib.suppress(OSError):
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(1 << 16):
                    pass

    def closed(self, data):
        """Sends bytes after which the broker must close at once, without an answer."""
        with contextlib.closing(wire.connect(self.random.choice(self.brokers), 10)) as connection:
            with contextlib.suppress(ConnectionError):
                connection.sendall(data)
            equal(wire.is_closed(connection), True, f"closed after {data[:16].hex()}")

    def truncated(self):
        request = wire.framed(wire.produce_payload(TARGET, 0, batches.batch(batches.plain())))
        for cut in range(len(request)):
            self.send(request[:cut])
        fetch = wire.framed(wire.fetch_payload(TARGET, 0, 0))
        for cut in range(0, len(fetch), 3):
            self.send(fetch[:cut])

    def lengths(self):
        for length in (-1, -(2**31), 0, 1, 7, 2**31 - 1, 2**31 - 2, 1 << 30, 200 << 20):
            self.closed(struct.pack(">i", length) + bytes(64))
        # The length of a frame is right, those inside it are not.
        for length in (2**31 - 1, 1 << 30, -2, -(2**31)):
            body = struct.pack(">hhi", -1, -1, 100) + struct.pack(">i", length) + bytes(40)
            self.closed(wire.framed(wire.header(wire.PRODUCE, 8) + body))
            body = struct.pack(">i", length) + bytes(40)
            for api, version in [(3, 4), (19, 2), (20, 1), (21, 0), (32, 1), (37, 0)]:
                data = wire.framed(wire.header(api, version) + body)
                if length > 0:
                    self.closed(data)
                else:
                    # Some arrays may be null; whatever comes, the broker lives.
                    self.send(data)
            # The partitions of the one topic of a ListOffsets.
            body = struct.pack(">ii", -1, 1) + wire.string(TARGET) + body
            if length > 0:
                self.closed(wire.framed(wire.header(wire.LIST_OFFSETS, 1) + body))

    def garbage(self):
        for api in (-1, 4, 7, 93, 999, 32767, -32768):
            self.closed(wire.framed(wire.header(api, 0) + bytes(16)))
        apis = [0, 1, 2, 3, 10, 18, 19, 20, 21, 22, 23, 32, 33, 37, 44, 55, 60, 75]
        for i in range(2000):
            api, version = apis[i % len(apis)], self.random.randrange(0, 19)
            noise = self.random.randbytes(self.random.randrange(200))
            self.send(wire.framed(wire.header(api, version) + noise))
        for _ in range(200):
            self.send(self.random.randbytes(self.random.randrange(1, 4096)))

    def create_topics(self):
        """Twelve bytes that claim 2^31-1 topics, and fourteen that do so behind a client id."""
        frame = struct.pack(">hhihi", 19, 2, 0, -1, 0x7FFFFFFF)[:14]
        for broker in self.brokers:
            for length in (12, 14):
                data = struct.pack(">i", length) + frame[:length]
                with contextlib.closing(wire.connect(broker, 10)) as connection:
                    connection.sendall(data)
                    equal(wire.is_closed(connection), True, "closed")

    def corrupt(self):
        good = batches.batch(batches.plain(b"x" * 300))
        for _ in range(300):
            at, bit = self.random.randrange(17, len(good)), self.random.randrange(8)
            flipped = good[:at] + bytes([good[at] ^ 1 << bit]) + good[at + 1 :]
            error, _ = wire.produce(self.leaders[0], TARGET, 0, flipped)
            equal(error in (2, 87), True, f"bit {bit} of byte {at}: error {error}")

    def bombs(self):
        for name, bomb in batches.bombs():
            # In parallel, from one connection each.
            payload = wire.framed(wire.produce_payload(TARGET, 0, bomb))
            with contextlib.ExitStack() as stack:
                connections = [
                    stack.enter_context(contextlib.closing(wire.connect(self.leaders[0], 60)))
                    for _ in range(16)
                ]
                for connection in connections:
                    connection.sendall(payload)
                for connection in connections:
                    error, _ = wire.produced(wire.answer(connection))
                    equal(error in (2, 10, 76, 87), True, f"{name}: error {error}")

    def idle(self):
        wanted = int(os.environ.get("INTEROP_IDLE", "10000"))
        room = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 500
        count = wanted if room >= wanted else min(2000, room)
        if count < wanted and os.environ.get("CI") == "true":
            raise AssertionError(f"descriptors for {room} connections, not {wanted}: see ulimit -n")
        with contextlib.ExitStack() as stack:
            for i in range(count):
                connection = wire.connect(self.brokers[i % len(self.brokers)])
                stack.enter_context(contextlib.closing(connection))
                if i % 2:
                    # Half of them claim a frame of 64 KiB and stop.
                    connection.sendall(b"\0\0\xff\xff")
            self.bystander.unharmed(PATIENCE)
            print(f"{count} idle connections", flush=True)

    def claims(self):
        """Hundreds of connections that claim as much as is allowed, send some and stop."""
        head = wire.header(wire.PRODUCE, 8)
        with contextlib.ExitStack() as stack:
            for i in range(600):
                connection = wire.connect(self.brokers[i % len(self.brokers)])
                stack.enter_context(contextlib.closing(connection))
                connection.sendall(struct.pack(">i", 100 << 20) + head + bytes(70_000))
            for _ in range(3):
                self.bystander.unharmed(PATIENCE)
                time.sleep(1)

    def fill(self):
        producer = Producer(
            {"bootstrap.servers": self.bootstrap, "acks": "all", "linger.ms": 5}
        )
        value = self.random.randbytes(500_000)
        for i in range(FILL_BYTES // len(value)):
            while True:
                try:
                    producer.produce(TARGET, value, partition=i % 3)
                    break
                except BufferError:
                    producer.poll(0.1)
        equal(producer.flush(120), 0, "undelivered")

    @staticmethod
    def deaf(stack, address):
        """A connection that takes as little of an answer as the system lets it."""
        connection = socket.socket()
        stack.enter_context(contextlib.closing(connection))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(20)
        host, port = address.rsplit(":", 1)
        connection.connect((host, int(port)))
        return connection

    def watch(self):
        """Holds an attack up for ten seconds."""
        for _ in range(10):
            self.bystander.unharmed(PATIENCE)
            self.processes.memory()
            time.sleep(1)

    def never_reading(self):
        self.fill()
        with contextlib.ExitStack() as stack:
            for i in range(500):
                connection = self.deaf(stack, self.leaders[i % 3])
                payload = wire.fetch_payload(TARGET, i % 3, 0, most=50 << 20)
                # Not one answer is read, yet more is asked for.
                connection.sendall(wire.framed(payload) * 20)
            self.watch()

    def dense(self):
        """Well-formed requests of about as many elements as are allowed, sent ahead.

        A name of one letter is three bytes of a frame and thirty times as much as a message. What
        is asked for does not exist, but for the partition of the last kind, which waits at it.
        """
        names = struct.pack(">i", 200_000) + b"\0\1x" * 200_000 + b"\0"
        kinds = [
            wire.framed(wire.header(wire.METADATA, 4) + names) * 4,
            dense_fetch("x", range(140_000), 0, 0) * 2,
            dense_fetch("x", range(5_000), 0, 0) * 30,
            dense_fetch(EMPTY, [0] * 140_000, -1, 60_000) * 2,
        ]
        leader = wire.leaders(self.brokers[0], EMPTY)[0]
        with contextlib.ExitStack() as stack:
            for i in range(48):
                kind = i % len(kinds)
                last = kind == len(kinds) - 1
                address = leader if last else self.brokers[i // len(kinds) % len(self.brokers)]
                connection = self.deaf(stack, address)
                connection.settimeout(0.5)
                # The broker stops reading, or closes, where it has no memory for more.
                with contextlib.suppress(OSError):
                    connection.sendall(kinds[kind])
            self.watch()


def main():
    attacks = Attacks(sys.argv[1], sys.argv[2:])
    try:
        attacks.attack("frames cut at every byte", attacks.truncated)
        attacks.attack("absurd lengths and counts", attacks.lengths)
        attacks.attack("noise, unknown APIs and versions", attacks.garbage)
        attacks.attack("twelve bytes that claim 2^31-1 topics", attacks.create_topics)
        attacks.attack("corrupt batches", attacks.corrupt)
        attacks.attack("decompression bombs", attacks.bombs)
        attacks.attack("idle connections", attacks.idle)
        attacks.attack("600 connections that claim 100 MiB each and stop", attacks.claims)
        attacks.attack("500 clients that fetch and never read", attacks.never_reading)
        attacks.attack("dense requests whose answers are never read", attacks.dense)
        print(f"memory that the brokers held at most: {attacks.processes.memory()} MiB", flush=True)
    finally:
        case("hostile: nothing of the well-behaved client is lost", attacks.bystander.finish)


if __name__ == "__main__":
    main()
