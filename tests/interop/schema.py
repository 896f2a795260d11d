"""Requests of every API and version, made up from Kafka's own schemas: the JSON that lies in its jar.

They are well formed, and their values are odd. Whoever wants them broken breaks the bytes.
"""

import json
import re
import struct
import zipfile

import batches
from batches import unsigned_varint as varint

# Names that exist, names that do not, and names that nobody should have.
TOPIC = "frames"
STRINGS = [
    TOPIC,
    "frames-group",
    "frames-1",
    "nobody-has-this",
    "",
    ".",
    "a" * 249,
    "b" * 300,
    "x\0y",
    "\u00e4\u20ac\U0001f600",
    "range",
    "consumer",
    "segment.bytes",
    "1",
    "-1",
    "__consumer_offsets",
]
NOT_UTF8 = b"\xff\xfe\xc3"
SMALL = [0, 1, 2, 3, -1]
# How many partitions a topic is to have: the tests' machine has to hold those that are made.
COUNTS = {"NumPartitions", "Count", "ReplicationFactor"}
MOST_ELEMENTS = 3
WIDTHS = {"int8": "b", "int16": "h", "uint16": "H", "int32": "i", "uint32": "I", "int64": "q"}


def bounds(text):
    """The first and last version of a range like `0-3`, `4+`, `7` or `none`."""
    if text in (None, "none"):
        return 1, 0
    first, _, last = text.rstrip("+").partition("-")
    return int(first), 32767 if text.endswith("+") else int(last or first)


def within(version, text):
    first, last = bounds(text)
    return first <= version <= last


def read(jar):
    """The schema of each request, by the number of its API."""
    schemas = {}
    with zipfile.ZipFile(jar) as archive:
        for name in archive.namelist():
            if re.fullmatch(r"common/message/\w+Request\.json", name):
                lines = archive.read(name).decode().splitlines()
                plain = (line for line in lines if not line.lstrip().startswith("//"))
                schema = json.loads(re.sub(r'(?<=[,\]}"]) *//.*', "", "\n".join(plain)))
                schemas[schema["apiKey"]] = schema
    return schemas


class Maker:
    """Makes requests of one schema."""

    def __init__(self, schema, chance):
        self.schema, self.chance = schema, chance
        self.structs = {row["name"]: row["fields"] for row in schema.get("commonStructs", [])}

    def request(self, version):
        """A request without its length: header and body."""
        flexible = within(version, self.schema.get("flexibleVersions"))
        head = struct.pack(">hhi", self.schema["apiKey"], version, self.chance.getrandbits(31))
        client = self.chance.choice(["frames", None, "c" * 200])
        head += b"\xff\xff" if client is None else struct.pack(">h", len(client)) + client.encode()
        if flexible:
            head += self.tags([], version)
        return head + self.struct(self.schema["fields"], version, flexible)

    def struct(self, fields, version, flexible):
        out, tagged = [], []
        for field in fields:
            if not within(version, field["versions"]):
                continue
            if flexible and within(version, field.get("taggedVersions")):
                if self.chance.random() < 0.5:
                    tagged.append((field["tag"], self.value(field, version, flexible)))
            elif not within(version, field.get("taggedVersions")):
                out.append(self.value(field, version, flexible))
        if flexible:
            out.append(self.tags(tagged, version))
        return b"".join(out)

    def tags(self, tagged, version):
        if self.chance.random() < 0.1:
            used = {tag for tag, _ in tagged}
            unknown = {self.chance.choice([50, 127, 128, 100_000, 2**31 - 1]) for _ in range(3)}
            tagged = tagged + [(tag, self.chance.randbytes(5)) for tag in unknown - used]
        out = [varint(len(tagged))]
        for tag, value in sorted(tagged):
            out.append(varint(tag) + varint(len(value)) + value)
        return b"".join(out)

    def value(self, field, version, flexible):
        kind = field["type"]
        nullable = within(version, field.get("nullableVersions"))
        # Now and then one is null that must not be.
        null = self.chance.random() < (0.15 if nullable else 0.01)
        if kind.startswith("[]"):
            return self.array(field, kind[2:], version, flexible, null)
        if kind in ("string", "bytes", "records"):
            return self.blob(kind, flexible, null)
        if kind == "bool":
            return self.chance.choice([b"\0", b"\1", b"\1", b"\x7f"])
        if kind == "uuid":
            return self.chance.choice([bytes(16), bytes(15) + b"\1", self.chance.randbytes(16)])
        if kind == "float64":
            return struct.pack(">d", self.chance.choice([0.0, -1.5, 1e300, float("nan")]))
        if kind in WIDTHS:
            return self.number(field["name"], WIDTHS[kind])
        fields = field.get("fields") or self.structs[kind]
        if nullable:
            return b"\xff" if null else b"\1" + self.struct(fields, version, flexible)
        return self.struct(fields, version, flexible)

    def number(self, name, letter):
        bits = struct.calcsize(letter) * 8
        if letter.isupper():
            value = self.chance.choice([0, 1, 9092, (1 << bits) - 1])
        elif name in COUNTS:
            value = self.chance.choice([0, 1, 2, 3, -1, -2, (1 << bits - 1) - 1])
        elif self.chance.random() < 0.7:
            value = self.chance.choice(SMALL)
        else:
            most = (1 << bits - 1) - 1
            value = self.chance.choice([most, -most - 1, -2, 100, most // 2])
        return struct.pack(">" + letter, value)

    def blob(self, kind, flexible, null):
        if null:
            short = b"\xff\xff" if kind == "string" else b"\xff\xff\xff\xff"
            return b"\0" if flexible else short
        if kind == "string":
            rare = self.chance.random() < 0.02
            data = NOT_UTF8 if rare else self.chance.choice(STRINGS).encode()
        elif kind == "records":
            data = self.records()
        else:
            data = self.chance.choice([b"", b"\0\0", self.chance.randbytes(30), self.records()])
        if flexible:
            return varint(len(data) + 1) + data
        return struct.pack(">h" if kind == "string" else ">i", len(data)) + data

    def records(self):
        """Batches, mostly right ones."""
        chance = self.chance
        producer = chance.choice([batches.NOBODY, (7, 0, 0), (2**62, 1, 2**31 - 1)])
        batch = batches.batch(
            batches.plain(b"x" * chance.choice([0, 1, 200])),
            codec=chance.choice([0, 0, 0, 1, 2, 3, 4, 5, 16, 32]),
            count=chance.choice([1, 1, 1, 0, 2, 2**31 - 1]),
            crc=chance.choice([None, None, None, 0]),
            magic=chance.choice([2, 2, 2, 1, 0, 3]),
            producer=producer,
        )
        return batch * chance.choice([1, 1, 2, 0])

    def array(self, field, kind, version, flexible, null):
        if null:
            return b"\0" if flexible else b"\xff\xff\xff\xff"
        count = self.chance.randrange(MOST_ELEMENTS + 1)
        one = {**field, "type": kind, "nullableVersions": None}
        elements = b"".join(self.value(one, version, flexible) for _ in range(count))
        return (varint(count + 1) if flexible else struct.pack(">i", count)) + elements


def broken(frame, chance):
    """Breaks a frame in one to three places; its header stays, mostly."""
    data = bytearray(frame)
    for _ in range(chance.choice([1, 1, 2, 3])):
        first = 0 if chance.random() < 0.05 else 8
        if len(data) <= first + 1:
            break
        at = chance.randrange(first, len(data))
        how = chance.randrange(7)
        if how == 0:
            data[at] ^= 1 << chance.randrange(8)
        elif how == 1:
            data[at] = chance.choice([0, 1, 0x7F, 0x80, 0xFF])
        elif how == 2:
            number = chance.choice([2**31 - 1, -(2**31), -1, 1 << 20, 65_536, 0])
            data[at : at + 4] = struct.pack(">i", number)
        elif how == 3:
            # A varint of up to six bytes.
            data[at : at + 1] = b"\xff" * chance.randrange(1, 6) + b"\x0f"
        elif how == 4:
            del data[at:]
        elif how == 5:
            data[at:at] = chance.randbytes(chance.choice([1, 2, 16, 300]))
        else:
            end = min(len(data), at + chance.randrange(1, 40))
            data[at:at] = data[at:end] * chance.choice([1, 2, 50])
    return bytes(data)
