"""As much of Kafka's protocol as the tests speak by hand, over plain sockets."""

import contextlib
import os
import socket
import struct
import time

PRODUCE, FETCH, LIST_OFFSETS, METADATA, API_VERSIONS, CREATE_TOPICS = 0, 1, 2, 3, 18, 19


def string(text):
    data = text.encode()
    return struct.pack(">h", len(data)) + data


def header(api, version, correlation=7):
    """A request header of version 1: for versions before an API became flexible."""
    return struct.pack(">hhi", api, version, correlation) + string("interop")


def framed(payload):
    return struct.pack(">i", len(payload)) + payload


def connect(address, timeout=20):
    host, port = address.rsplit(":", 1)
    # Where brokers are killed all the time, one that is down is back soon.
    patience = time.monotonic() + (30 if os.environ.get("INTEROP_TORTURE") else 0)
    while True:
        try:
            connection = socket.create_connection((host, int(port)), timeout=timeout)
            break
        except ConnectionRefusedError:
            if time.monotonic() > patience:
                raise
            time.sleep(0.2)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def exactly(connection, count):
    data = bytearray()
    while len(data) < count:
        part = connection.recv(min(count - len(data), 1 << 20))
        if not part:
            raise ConnectionError(f"closed after {len(data)} of {count} bytes")
        data += part
    return bytes(data)


def answer(connection):
    """The body of the next response, without its correlation id."""
    (length,) = struct.unpack(">i", exactly(connection, 4))
    if not 4 <= length <= 200 << 20:
        raise AssertionError(f"a response of {length} bytes")
    return exactly(connection, length)[4:]


def ask(address, payload):
    with contextlib.closing(connect(address)) as connection:
        connection.sendall(framed(payload))
        return answer(connection)


def is_closed(connection):
    """Whether the broker closes the connection; an answer instead is returned as bytes."""
    try:
        data = connection.recv(4096)
    except ConnectionError:
        return True
    return True if not data else data


class Reader:
    """Reads big-endian fields one after the other."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, layout):
        layout = ">" + layout
        values = struct.unpack_from(layout, self.data, self.at)
        self.at += struct.calcsize(layout)
        return values[0] if len(values) == 1 else values

    def bytes(self, count):
        self.at += count
        return self.data[self.at - count : self.at]

    def string(self):
        length = self.take("h")
        return None if length < 0 else self.bytes(length).decode()


def leaders(address, topic):
    """The address of the leader of each partition of a topic, by Metadata version 1."""
    r = Reader(ask(address, header(METADATA, 1) + struct.pack(">i", 1) + string(topic)))
    brokers = {}
    for _ in range(r.take("i")):
        node = r.take("i")
        host, port = r.string(), r.take("i")
        r.string()
        brokers[node] = f"{host}:{port}"
    r.take("i")
    found = {}
    for _ in range(r.take("i")):
        error, name, _ = r.take("h"), r.string(), r.take("b")
        if error:
            raise AssertionError(f"metadata of {name}: error {error}")
        for _ in range(r.take("i")):
            _, partition, leader = r.take("hii")
            for _ in range(2):
                r.bytes(4 * r.take("i"))
            found[partition] = brokers.get(leader)
    return found


def fetch_payload(topic, partition, offset, most=1 << 20, version=11, wait=500):
    body = struct.pack(">iii", -1, wait, 1) + struct.pack(">ibii", most, 0, 0, -1)
    body += struct.pack(">i", 1) + string(topic)
    body += struct.pack(">iiiqqi", 1, partition, -1, offset, -1, most)
    if version < 9:
        raise ValueError("versions 9 to 11 only")
    body += struct.pack(">i", 0)
    if version >= 11:
        body += string("")
    return header(FETCH, version) + body


def fetched(body, version=11):
    """The error and the record bytes of the one partition asked for."""
    r = Reader(body)
    r.take("ihi")
    r.take("i")
    r.string()
    r.take("i")
    _, error, _, _, _ = r.take("ihqqq")
    r.bytes(16 * max(r.take("i"), 0))
    if version >= 11:
        r.take("i")
    return error, r.bytes(max(r.take("i"), 0))


def codecs_of(bootstrap, topic, partitions, records_in_batch=1):
    """The codecs of the first batches of each partition that hold at least so many records, as
    numbers. Clients leave a small batch alone that compression would make larger."""
    found = set()
    where = leaders(bootstrap.split(",")[0], topic)
    for partition in range(partitions):
        error, records = fetched(ask(where[partition], fetch_payload(topic, partition, 0)))
        if error:
            raise AssertionError(f"fetch from {partition}: error {error}")
        at = 0
        while at + 61 <= len(records):
            (length,) = struct.unpack_from(">i", records, at + 8)
            (attributes,) = struct.unpack_from(">h", records, at + 21)
            (count,) = struct.unpack_from(">i", records, at + 57)
            if count >= records_in_batch:
                found.add(attributes & 7)
            at += 12 + length
    return found


def knows(address, topic):
    """Whether a broker knows a topic, by Metadata version 4, which creates nothing."""
    body = struct.pack(">i", 1) + string(topic) + b"\0"
    r = Reader(ask(address, header(METADATA, 4) + body))
    r.take("i")
    for _ in range(r.take("i")):
        r.take("i")
        r.string()
        r.take("i")
        r.string()
    r.string()
    r.take("i")
    r.take("i")
    return r.take("h") == 0


def produce_payload(topic, partition, records, acks=-1, version=8, correlation=7):
    body = struct.pack(">hhi", -1, acks, 10_000)
    body += struct.pack(">i", 1) + string(topic)
    body += struct.pack(">iii", 1, partition, len(records)) + records
    return header(PRODUCE, version, correlation) + body


def produced(body, version=8):
    """The error and the base offset of the one partition written to."""
    r = Reader(body)
    r.take("i")
    r.string()
    r.take("i")
    _, error, offset = r.take("ihq")
    return error, offset


def produce(address, topic, partition, records, acks=-1, version=8):
    return produced(ask(address, produce_payload(topic, partition, records, acks, version)))
