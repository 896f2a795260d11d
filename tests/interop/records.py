"""The records that every client writes and reads: number i has one key, one header, one value.

Records.java makes the same ones. Sizes are mixed, 1 byte to 64 KiB, about 80 MB for 100,000.
"""

POOL_BYTES = 128 * 1024
ALPHABET = b"abcdefghijklmnopqrstuvwxyz012345"


def _pool():
    """Text that codecs shorten, without line ends, so that it passes through kcat."""
    state, out = 1, bytearray(POOL_BYTES)
    for i in range(POOL_BYTES):
        state = (state * 1103515245 + 12345) % 2147483648
        out[i] = ALPHABET[(state >> 16) % len(ALPHABET)]
    return bytes(out)


POOL = _pool()


def size(i):
    """Bytes of the value of record i."""
    step = i % 1000
    if step == 0:
        return 65536
    if step < 10:
        return 16384 - step
    if step < 100:
        return 4096 - step
    if step < 500:
        return 300 + step
    return 1 + i % 100


def value(i):
    start = (i * 7919) % 65536
    return POOL[start : start + size(i)]


def key(i):
    return b"%d" % i


class Checker:
    """Checks that `count` records arrive: each once, whole, and ascending in their partition."""

    def __init__(self, count):
        self.count = count
        self.last = {}
        self.seen = 0
        self.total = 0

    def add(self, partition, offset, k, header, v):
        i = int(k)
        number, last_offset = self.last.get(partition, (-1, -1))
        if i <= number or offset <= last_offset:
            raise AssertionError(
                f"partition {partition}: record {i} at {offset} after {number} at {last_offset}"
            )
        # kcat gives one set of headers to all its records.
        if header not in (k, b"kcat"):
            raise AssertionError(f"record {i}: its header says {header!r}")
        if v != value(i):
            raise AssertionError(f"record {i} at {partition}/{offset}: {len(v)} wrong bytes")
        self.last[partition] = (i, offset)
        self.seen += 1
        self.total += i

    def done(self):
        return self.seen >= self.count

    def finish(self):
        # Ascending in each partition, so a number can only come twice in two of them; the sum
        # shows that.
        wanted = self.count * (self.count - 1) // 2
        if (self.seen, self.total) != (self.count, wanted):
            off = self.total - wanted
            raise AssertionError(f"{self.seen} of {self.count} records, sum off by {off}")
