"""Requests that are answered with an error, by hand over sockets. Usage: refusals.py BOOTSTRAP"""

import contextlib
import struct
import sys

import batches
import wire
from confluent_kafka.admin import AdminClient, NewTopic
from report import case, equal, eventually

UNKNOWN_TOPIC, CORRUPT, TOO_LARGE, INVALID_ACKS = 3, 2, 10, 21
UNSUPPORTED_VERSION, UNSUPPORTED_FORMAT, UNSUPPORTED_CODEC, INVALID_RECORD = 35, 43, 76, 87
TOPIC, ZSTD_TOPIC, LATE_TOPIC = "refusals", "refusals-zstd", "refusals-late"


class Cases:
    def __init__(self, bootstrap):
        self.brokers = bootstrap.split(",")
        self.any = self.brokers[0]
        admin = self.admin = AdminClient({"bootstrap.servers": bootstrap})
        zstd = NewTopic(ZSTD_TOPIC, 1, 3, config={"compression.type": "zstd"})
        for future in admin.create_topics([NewTopic(TOPIC, 1, 3), zstd]).values():
            future.result(30)
        for broker in self.brokers:
            for topic in (TOPIC, ZSTD_TOPIC):
                eventually(lambda: equal(wire.knows(broker, topic), True, topic))
        self.leader = wire.leaders(self.any, TOPIC)[0]

    def produce(self, records, **how):
        return wire.produce(self.leader, how.pop("topic", TOPIC), 0, records, **how)[0]

    def good(self):
        equal(self.produce(batches.batch(batches.plain())), 0, "plain")
        for codec in batches.PACKERS:
            equal(self.produce(batches.small(codec)), 0, codec)

    def unknown_topic(self):
        records = batches.batch(batches.plain())
        equal(self.produce(records, topic="nobody-made-this"), UNKNOWN_TOPIC, "produce")
        equal(wire.produce(self.leader, TOPIC, 9, records)[0], UNKNOWN_TOPIC, "partition 9")
        payload = wire.fetch_payload("nobody-made-this", 0, 0)
        equal(wire.fetched(wire.ask(self.leader, payload))[0], UNKNOWN_TOPIC, "fetch")

    def acks(self):
        for acks in (2, -2, 32767, -32768):
            got = self.produce(batches.batch(batches.plain()), acks=acks)
            equal(got, INVALID_ACKS, f"acks {acks}")
        for acks in (1, -1):
            equal(self.produce(batches.batch(batches.plain()), acks=acks), 0, f"acks {acks}")

    def no_answer(self):
        """With acks 0 nothing comes back."""
        with contextlib.closing(wire.connect(self.leader)) as connection:
            good = batches.batch(batches.plain())
            for _ in range(3):
                payload = wire.produce_payload(TOPIC, 0, good, acks=0)
                connection.sendall(wire.framed(payload))
            last = wire.produce_payload(TOPIC, 0, good, correlation=99)
            connection.sendall(wire.framed(last))
            (_, correlation) = struct.unpack(">ii", wire.exactly(connection, 8))
            equal(correlation, 99, "the first answer is of")

    def no_answer_but_an_error(self):
        """With acks 0 the end of the connection is the only way to say that something is wrong."""
        good = batches.batch(batches.plain())
        port = self.leader.rsplit(":", 1)[1]
        other = [b for b in self.brokers if b.rsplit(":", 1)[1] != port][0]
        for address, records in [(self.leader, good[:-1] + b"?"), (other, good)]:
            with contextlib.closing(wire.connect(address)) as connection:
                payload = wire.produce_payload(TOPIC, 0, records, acks=0)
                connection.sendall(wire.framed(payload))
                equal(wire.is_closed(connection), True, f"closed by {address}")

    def ranges(self):
        """Beyond every end: a leader knows it, a follower cannot."""
        port = self.leader.rsplit(":", 1)[1]
        beyond = wire.fetch_payload(TOPIC, 0, 1 << 40)
        equal(wire.fetched(wire.ask(self.leader, beyond))[0], 1, "leader")
        old = wire.fetch_payload(TOPIC, 0, 0, version=10)
        for broker in [b for b in self.brokers if b.rsplit(":", 1)[1] != port]:
            equal(wire.fetched(wire.ask(broker, beyond))[0], 78, "follower")
            equal(wire.fetched(wire.ask(broker, old), version=10)[0], 6, "v10 at a follower")

    def new_leader(self):
        """NOT_LEADER names the leader and where it is (KIP-951)."""

        def compact(data):
            return bytes([len(data) + 1]) + data

        port = int(self.leader.rsplit(":", 1)[1])
        other = [b for b in self.brokers if not b.endswith(f":{port}")][0]
        records = batches.batch(batches.plain())
        equal(len(records) < 127, True, "its length fits one byte")
        body = b"\0" + struct.pack(">hi", -1, 10_000) + b"\2" + compact(TOPIC.encode())
        body += b"\2" + struct.pack(">i", 0) + compact(records) + b"\0\0\0"
        answer = wire.ask(other, wire.header(wire.PRODUCE, 10) + b"\0" + body)
        r = wire.Reader(answer)
        r.bytes(1 + 1 + 1 + len(TOPIC) + 1)  # header tags, topics, name, partitions
        error = r.take("ihqqq")[1]
        r.bytes(2)  # no record errors, no message
        tags, tag, size, leader, _ = r.take("BBBii")
        equal((error, tags, tag, size), (6, 1, 0, 9), "NOT_LEADER with its leader")
        r.bytes(2 + 4)  # ends of leader and topic; throttle time
        tags, tag, _, count, node = r.take("BBBBi")
        host = r.bytes(r.take("B") - 1)
        equal((tags, tag, count, node), (1, 0, 2, leader), f"endpoint {host}")
        equal(r.take("i"), port, "port of the leader")

    def codecs(self):
        equal(self.produce(batches.small("zstd"), version=6), UNSUPPORTED_CODEC, "zstd in v6")
        equal(self.produce(batches.small("zstd"), version=7), 0, "zstd in v7")
        for codec in (5, 6, 7):
            got = self.produce(batches.batch(batches.plain(), codec))
            equal(got != 0, True, f"codec {codec} is refused")
        # A consumer that is too old for zstd must hear so instead of getting it.
        leader = wire.leaders(self.any, ZSTD_TOPIC)[0]
        equal(wire.produce(leader, ZSTD_TOPIC, 0, batches.small("gzip"))[0], 0, "gzip to zstd")
        equal(wire.codecs_of(leader, ZSTD_TOPIC, 1), {4}, "stored codecs")
        payload = wire.fetch_payload(ZSTD_TOPIC, 0, 0, version=9)
        error, records = wire.fetched(wire.ask(leader, payload), version=9)
        equal((error, records), (UNSUPPORTED_CODEC, b""), "fetch v9 of a topic with zstd")

    def batches(self):
        good = batches.batch(batches.plain())
        wrong = {
            "a flipped bit": good[:-1] + bytes([good[-1] ^ 1]),
            "a wrong checksum": batches.batch(batches.plain(), crc=1),
            "a cut end": good[:-1],
            "half a header": good[:30],
            "bytes behind": good + b"\0",
            "two batches": good + good,
            "no bytes": b"",
            "a length of 2 GiB": batches.batch(batches.plain(), length=0x7FFFFFFF),
            "a negative length": batches.batch(batches.plain(), length=-1),
            "2^31-1 records": batches.batch(batches.plain(), count=0x7FFFFFFF),
            "no records": batches.batch(b"", count=0),
            "-1 records": batches.batch(batches.plain(), count=-1, last_delta=0),
            "a gap behind": batches.batch(batches.plain(), last_delta=1000),
            "format 1": batches.batch(batches.plain(), magic=1),
            "format 77": batches.batch(batches.plain(), magic=77),
            "a control batch": batches.batch(batches.plain(), codec=0x20),
            "a record of -5 bytes": batches.batch(batches.varint(-5)),
            "a record of 2 GiB": batches.batch(batches.varint(0x7FFFFFFF)),
            "a transaction": batches.batch(batches.plain(), codec=0x10),
        }
        for name in batches.PACKERS:
            number = batches.PACKERS[name][0]
            wrong[f"noise as {name}"] = batches.batch(b"\x01\x02\x03\x04" * 99, number)
            wrong[f"nothing as {name}"] = batches.batch(b"", number)
        for name, records in wrong.items():
            error = self.produce(records)
            equal(error not in (0, -1), True, f"{name} is refused ({error})")
        equal(self.produce(wrong["a flipped bit"]), CORRUPT, "a flipped bit")
        large = batches.batch(batches.plain(bytes(1_100_000)), crc=0)
        equal(self.produce(large), TOO_LARGE, "1.1 MB")

    def order(self):
        """A producer's second batch is not taken when the reason to refuse its first has passed:
        clients would take the first for acknowledged, too."""

        def write(connection, sequence):
            records = batches.batch(batches.plain(), producer=(4_000_000_000, 0, sequence))
            payload = wire.produce_payload(LATE_TOPIC, 0, records)
            connection.sendall(wire.framed(payload))
            return wire.produced(wire.answer(connection))[0]

        with contextlib.ExitStack() as stack:
            connections = {}
            for broker in self.brokers:
                connection = stack.enter_context(contextlib.closing(wire.connect(broker)))
                connections[broker] = connection
                equal(write(connection, 0), UNKNOWN_TOPIC, "the first, before there is a topic")
            self.admin.create_topics([NewTopic(LATE_TOPIC, 1, 3)])[LATE_TOPIC].result(30)
            for broker in self.brokers:
                eventually(lambda: equal(wire.knows(broker, LATE_TOPIC), True, broker))
            leader = connections[wire.leaders(self.any, LATE_TOPIC)[0]]
            equal(write(leader, 1), UNKNOWN_TOPIC, "the second, before the first comes again")
            equal([write(leader, n) for n in (0, 1)], [0, 0], "both, in order")

    def closed(self, payload):
        with contextlib.closing(wire.connect(self.leader)) as connection:
            connection.sendall(wire.framed(payload))
            equal(wire.is_closed(connection), True, f"closed after {payload[:12].hex()}")

    def versions(self):
        # Kafka closes on what it does not know, and answers ApiVersions in the oldest form.
        for api, version in [(wire.PRODUCE, 2), (wire.PRODUCE, 99), (wire.FETCH, 3), (4, 0)]:
            self.closed(wire.header(api, version) + bytes(64))
        for api in (999, -1, 32767, -32768):
            self.closed(wire.header(api, 0) + bytes(64))
        for version in (99, -1, 32767):
            answer = wire.ask(self.leader, wire.header(wire.API_VERSIONS, version))
            error, count = struct.unpack_from(">hi", answer)
            equal(error, UNSUPPORTED_VERSION, f"ApiVersions {version}")
            keys = {struct.unpack_from(">hhh", answer, 6 + 6 * i)[0] for i in range(count)}
            equal(wire.API_VERSIONS in keys, True, "ApiVersions announced")
        answer = wire.ask(self.leader, wire.header(wire.API_VERSIONS, 0))
        error, count = struct.unpack_from(">hi", answer)
        keys = {struct.unpack_from(">hhh", answer, 6 + 6 * i) for i in range(count)}
        # librdkafka stops compressing when the lowest version announced is not 0.
        equal((error, (0, 0, 13) in keys), (0, True), "Produce 0-13 announced")


def main():
    cases = Cases(sys.argv[1])
    case("raw: batches made by hand are taken, in every codec", cases.good)
    case("raw: an unknown topic or partition", cases.unknown_topic)
    case("raw: wrong acks", cases.acks)
    case("raw: acks 0 has no answer", cases.no_answer)
    case("raw: acks 0 and an error end the connection", cases.no_answer_but_an_error)
    case("raw: offsets beyond the end, at leader and followers", cases.ranges)
    case("raw: NOT_LEADER names the leader", cases.new_leader)
    case("raw: codecs that a version does not have", cases.codecs)
    case("raw: batches that are wrong", cases.batches)
    case("raw: the second batch waits for the first that was refused", cases.order)
    case("raw: unknown APIs and versions", cases.versions)


if __name__ == "__main__":
    main()
