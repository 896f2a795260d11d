"""Record batches made by hand, right and wrong, and decompression bombs in every codec."""

import struct
import time
import zlib

GIB = 1 << 30

_TABLE = []
for _byte in range(256):
    for _ in range(8):
        _byte = (_byte >> 1) ^ (0x82F63B78 if _byte & 1 else 0)
    _TABLE.append(_byte)


def crc32c(data):
    crc, table = 0xFFFFFFFF, _TABLE
    for byte in data:
        crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def varint(number):
    return unsigned_varint((number << 1) ^ (number >> 63))


def unsigned_varint(number):
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def record_of_zeros(value_bytes):
    """One record as (what comes before the zeros, how many zeros): null key, a value of zeros.

    The count of headers behind the value is a zero too.
    """
    inner = b"\0\0\0" + varint(-1) + varint(value_bytes)
    return varint(len(inner) + value_bytes + 1) + inner, value_bytes + 1


NOBODY = (-1, -1, -1)


def batch(
    payload, codec=0, count=1, crc=None, magic=2, last_delta=None, length=None, producer=NOBODY
):
    """A batch around records that are already compressed, from a producer: id, epoch, sequence."""
    now = int(time.time() * 1000)
    last_delta = count - 1 if last_delta is None else last_delta
    body = struct.pack(">hiqqqhii", codec, last_delta, now, now, *producer, count) + payload
    crc = crc32c(body) if crc is None else crc
    length = 9 + len(body) if length is None else length
    return struct.pack(">qiibI", 0, length, -1, magic, crc) + body


def plain(value=b"x"):
    prefix, _ = record_of_zeros(len(value))
    return prefix + value + b"\0"


def gzip(prefix, zeros):
    """One deflate block of 16 MiB of zeros, repeated: whole compression would take long."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    out = [packer.compress(prefix) + packer.flush(zlib.Z_FULL_FLUSH)]
    crc = zlib.crc32(prefix)
    part = bytes(16 << 20)
    block = packer.compress(part) + packer.flush(zlib.Z_FULL_FLUSH)
    for _ in range(zeros // len(part)):
        out.append(block)
        crc = zlib.crc32(part, crc)
    rest = bytes(zeros % len(part))
    out.append(packer.compress(rest) + packer.flush(zlib.Z_FINISH))
    trailer = struct.pack("<II", zlib.crc32(rest, crc), (len(prefix) + zeros) & 0xFFFFFFFF)
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + b"".join(out) + trailer


def zstd(prefix, zeros):
    """Blocks of 128 KiB that say: this byte, so many times."""

    def block(kind, size, content, last=0):
        return struct.pack("<I", last | kind << 1 | size << 3)[:3] + content

    out = [struct.pack("<IBB", 0xFD2FB528, 0, 0x38), block(0, len(prefix), prefix)]
    most = 128 << 10
    out.append(block(1, most, b"\0") * (zeros // most))
    out.append(block(1, zeros % most, b"\0", last=1))
    return b"".join(out)


def lz4(prefix, zeros):
    """Blocks of up to 4 MiB: some literals, one match that repeats the last of them, five more."""
    out, most = [b"\x04\x22\x4d\x18\x60\x70\x73"], 4 << 20
    left = len(prefix) + zeros
    while left > 0:
        size = min(left, most)
        literals = (prefix if len(out) == 1 else b"") + bytes(32)
        left -= size
        if size < len(literals) + 64:
            out.append(struct.pack("<I", size | 1 << 31) + literals[:size].ljust(size, b"\0"))
            continue
        block = b"\xff" + _lz4_length(len(literals) - 15) + literals + b"\1\0"
        block += _lz4_length(size - len(literals) - 5 - 4 - 15) + bytes([5 << 4]) + bytes(5)
        out.append(struct.pack("<I", len(block)) + block)
    return b"".join(out) + bytes(4)


def _lz4_length(rest):
    return b"\xff" * (rest // 255) + bytes([rest % 255])


def _unsigned(number):
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def snappy(prefix, zeros):
    """Raw snappy: the whole length first, then copies of 64 bytes each."""
    out = [_unsigned(len(prefix) + zeros), bytes([len(prefix) << 2]), prefix, b"\0"]
    zeros -= 1
    out.append(b"\xfe\x01\0" * (zeros // 64))
    if zeros % 64:
        out.append(bytes([(zeros % 64 - 1) << 2 | 2, 1, 0]))
    return b"".join(out)


def snappy_liar(prefix, zeros):
    """Claims a GiB and holds a MiB of it: an honest one could not be small."""
    honest = snappy(prefix, 20 << 20)
    return _unsigned(GIB) + honest[len(_unsigned(len(prefix) + (20 << 20))) :]


def xerial_liar(prefix, zeros):
    """The same in the framing of snappy-java, as one chunk, which claims 2 GiB itself."""
    inner = snappy_liar(prefix, zeros)
    head = b"\x82SNAPPY\0" + struct.pack(">ii", 1, 1)
    return head + struct.pack(">i", 0x7FFFFFFF) + inner


# The codecs' numbers and how to make zeros small with them.
PACKERS = {"gzip": (1, gzip), "snappy": (2, snappy), "lz4": (3, lz4), "zstd": (4, zstd)}


def small(codec, value_bytes=1 << 20):
    """A batch of one record that is fine: shows that the bombs are what they claim to be."""
    number, pack = PACKERS[codec]
    return batch(pack(*record_of_zeros(value_bytes)), number)


def bombs():
    """Name and batch of each bomb; each fits into a request of about 1 MiB."""
    most = 1_048_000
    for codec, zeros in [("gzip", GIB), ("lz4", 250 << 20), ("zstd", 16 * GIB)]:
        number, pack = PACKERS[codec]
        # A record cannot say more than 2 GiB; zstd goes on behind its end.
        prefix, _ = record_of_zeros(min(zeros, GIB))
        packed = pack(prefix, zeros + 1)
        if len(packed) > most:
            raise AssertionError(f"the {codec} bomb has {len(packed)} bytes")
        yield codec, batch(packed, number)
    prefix, _ = record_of_zeros(GIB)
    for name, liar in [("snappy", snappy_liar), ("snappy-java", xerial_liar)]:
        yield name, batch(liar(prefix, 0)[:most], 2)
