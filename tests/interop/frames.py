"""Hostile frames by the hundred thousand, of every API and version that the brokers serve.

Usage: frames.py BOOTSTRAP JAR FRAMES COMMAND..., where the jar is that of Kafka's clients, and the command
shows the brokers as JSON. A third of the frames are whole and odd, the others are broken. Each is answered,
or its connection is closed, or, where a request may wait, neither. Meanwhile and in the end the brokers must
be the same processes, within their memory, and a well-behaved client must have seen nothing of it.
FRAMES_SEED repeats a run.
"""

import collections
import multiprocessing
import os
import random
import selectors
import socket
import struct
import sys
import time

import schema
import wire
from bystander import Bystander
from confluent_kafka.admin import AdminClient, NewTopic
from processes import Processes
from report import case, equal, eventually

WORKERS = 2
# Connections of one worker.
CONNECTIONS = 48
# How long an answer is waited for: a fetch or a join may wait for longer.
PATIENCE = 1.0
BYSTANDER_PATIENCE = 15
WHOLE = 0.33
# Frames between two looks at the brokers.
ROUND = 50_000


def served(address):
    """The versions of each API, as a broker says: (first, last) by number."""
    r = wire.Reader(wire.ask(address, wire.header(wire.API_VERSIONS, 0)))
    equal(r.take("h"), 0, "error of ApiVersions")
    rows = [r.take("hhh") for _ in range(r.take("i"))]
    return {api: (first, last) for api, first, last in rows}


class Line:
    """A connection with one frame under way."""

    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.socket = socket.socket()
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # It ends with a reset, and leaves no port behind that waits for a minute.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.settimeout(20)
        self.socket.connect((host, int(port)))
        self.buffer = bytearray()
        self.since = 0.0

    def send(self, frame):
        self.buffer.clear()
        self.since = time.monotonic()
        try:
            self.socket.sendall(wire.framed(frame))
        except OSError:
            return False
        return True

    def receive(self):
        """`answered`, `closed`, or None while there is more to come."""
        try:
            data = self.socket.recv(1 << 16)
        except OSError:
            return "closed"
        if not data:
            return "closed"
        self.buffer += data
        if len(self.buffer) >= 4:
            (length,) = struct.unpack_from(">i", self.buffer)
            if not 4 <= length <= 200 << 20:
                return "an impossible answer"
            if len(self.buffer) >= 4 + length:
                return "answered"
        return None


def work(addresses, jar, versions, seed, frames, told):
    """Sends so many frames; tells how they ended, by API."""
    chance = random.Random(seed)
    schemas = schema.read(jar)
    pairs = [(api, v) for api, (first, last) in versions.items() for v in range(first, last + 1)]
    makers = {api: schema.Maker(schemas[api], chance) for api in versions}
    ends = collections.Counter()
    selector = selectors.DefaultSelector()
    left = frames

    def frame():
        # In turn, so that each is sent about as often.
        api, version = pairs[left % len(pairs)]
        made = makers[api].request(version)
        return made if chance.random() < WHOLE else schema.broken(made, chance)

    def begin(line):
        """Sends the next frame, on a new connection if the old one is closed."""
        nonlocal left
        while left > 0:
            if line is None:
                line = Line(chance.choice(addresses))
                selector.register(line.socket, selectors.EVENT_READ, line)
            left -= 1
            if line.send(frame()):
                return
            end(line, "closed")
            line = None
        if line is not None:
            end(line, None)

    def end(line, how):
        selector.unregister(line.socket)
        line.socket.close()
        if how:
            ends[how] += 1

    for _ in range(CONNECTIONS):
        begin(None)
    while selector.get_map():
        for key, _ in selector.select(0.2):
            how = key.data.receive()
            if how == "answered":
                ends[how] += 1
                begin(key.data)
            elif how:
                end(key.data, how)
                begin(None)
        now = time.monotonic()
        late = [k.data for k in selector.get_map().values() if now - k.data.since > PATIENCE]
        for line in late:
            end(line, "waits")
            begin(None)
    told.put(ends)


class Frames:
    def __init__(self, bootstrap, jar, frames, command):
        self.brokers = bootstrap.split(",")
        self.jar, self.frames = jar, frames
        self.seed = int(os.environ.get("FRAMES_SEED") or random.randrange(1 << 32))
        self.processes = Processes(command)
        admin = AdminClient({"bootstrap.servers": bootstrap})
        admin.create_topics([NewTopic(schema.TOPIC, 3, 3)])[schema.TOPIC].result(30)
        for broker in self.brokers:
            eventually(lambda: equal(wire.knows(broker, schema.TOPIC), True, schema.TOPIC))
        self.bystander = Bystander(bootstrap, "beside-frames")
        self.ends = collections.Counter()

    def run(self):
        versions = served(self.brokers[0])
        kinds = sum(last - first + 1 for first, last in versions.values())
        print(f"FRAMES_SEED={self.seed}, {len(versions)} APIs, {kinds} versions", flush=True)
        schemas = schema.read(self.jar)
        equal(sorted(set(versions) - set(schemas)), [], "APIs without a schema")
        begun, sent, number = time.monotonic(), 0, 0
        while sent < self.frames:
            share = min(ROUND, self.frames - sent) // WORKERS + 1
            told = multiprocessing.Queue()
            workers = []
            for _ in range(WORKERS):
                what = (self.brokers, self.jar, versions, self.seed + number, share, told)
                workers.append(multiprocessing.Process(target=work, args=what))
                number += 1
            for worker in workers:
                worker.start()
            for _ in workers:
                self.ends += told.get(timeout=600)
            for worker in workers:
                worker.join()
            sent += share * WORKERS
            self.bystander.unharmed(BYSTANDER_PATIENCE)
            self.processes.are_the_same()
            self.processes.memory()
        seconds = time.monotonic() - begun
        print(f"{sent} frames in {seconds:.0f} s: {dict(self.ends)}", flush=True)
        equal(self.ends["an impossible answer"], 0, "impossible answers")
        equal(self.ends.total(), sent, "frames that ended")
        # Most whole frames are answered, most broken ones are not: else they would not get far.
        for how in ("answered", "closed"):
            if self.ends[how] < sent // 10:
                raise AssertionError(f"only {self.ends[how]} of {sent} were {how}")
        print(f"memory that the brokers held at most: {self.processes.memory()} MiB", flush=True)


def main():
    frames = Frames(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:])
    try:
        case("hostile: frames of every API and version, made up and broken", frames.run)
    finally:
        case("hostile: nothing of the client beside them is lost", frames.bystander.finish)


if __name__ == "__main__":
    main()
