"""Writes numbered records and keeps a ledger of what was acknowledged.

A record's value says who wrote it, where and as which one, and carries its own checksum. Every
delivery report becomes a line of the ledger, on its own clock (milliseconds since 1970):

    A partition sequence offset crc sent_ms acked_ms    acknowledged
    E partition sequence error                          given up by the client
    F error                                             the client as a whole gave up
    S partition count                                   at the end: how many were written

The client keeps its defaults but for what makes it idempotent. It ends when its standard input is
closed, once everything outstanding is reported.
"""

import argparse
import select
import sys
import time
import zlib

from confluent_kafka import KafkaException, Producer


def value(name, partition, sequence, size):
    head = f"{name} {partition} {sequence} ".encode()
    seed = zlib.crc32(head)
    filler = b"".join(
        ((seed + i) * 2654435761 % 2**32).to_bytes(4, "big") for i in range(size // 4)
    )
    crc = zlib.crc32(head + filler)
    return head + filler + crc.to_bytes(4, "big"), crc


def stdin_closed():
    ready, _, _ = select.select([sys.stdin], [], [], 0)
    return bool(ready) and not sys.stdin.buffer.read1(4096)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--bootstrap", required=True)
    arguments.add_argument("--topic", required=True)
    arguments.add_argument("--partitions", type=int, required=True)
    arguments.add_argument("--name", required=True)
    arguments.add_argument("--ledger", required=True)
    arguments.add_argument("--rate", type=int, required=True, help="records a second")
    arguments.add_argument("--codec", default="none")
    args = arguments.parse_args()

    ledger = open(args.ledger, "w", buffering=1 << 16)
    fatal = []

    def on_error(error):
        if error.fatal():
            fatal.append(error)
            ledger.write(f"F {error}\n")
            ledger.flush()
        else:
            print(f"{time.time():.3f} {args.name}: {error}", file=sys.stderr, flush=True)

    settings = {
        "bootstrap.servers": args.bootstrap,
        "client.id": args.name,
        "enable.idempotence": True,
        "acks": "all",
        "error_cb": on_error,
    }
    # Only a name that differs from the default is a setting.
    if args.codec != "none":
        settings["compression.type"] = args.codec
    producer = Producer(settings)

    def report(partition, sequence, crc, sent):
        def reported(error, message):
            if error is None:
                acked = time.time() * 1000
                # None where the answer was lost and a later one made up for it.
                offset = -1 if message.offset() is None else message.offset()
                ledger.write(
                    f"A {partition} {sequence} {offset} {crc} {sent:.0f} {acked:.0f}\n"
                )
            else:
                ledger.write(f"E {partition} {sequence} {error}\n")

        return reported

    written = [0] * args.partitions
    begun = time.monotonic()
    total = 0
    last_flush = begun
    while not fatal and not stdin_closed():
        due = int((time.monotonic() - begun) * args.rate)
        # After a standstill the client's queue is full: what is overdue is not made up for.
        if due - total > args.rate:
            begun = time.monotonic() - (total + args.rate) / args.rate
            due = total + args.rate
        while total < due:
            partition = total % args.partitions
            sequence = written[partition]
            size = 20 + (sequence * 7919 + partition * 104729) % 1500
            body, crc = value(args.name, partition, sequence, size)
            sent = time.time() * 1000
            try:
                producer.produce(
                    args.topic,
                    value=body,
                    key=f"{args.name}-{sequence % 100}",
                    partition=partition,
                    on_delivery=report(partition, sequence, crc, sent),
                )
            except BufferError:
                break
            except KafkaException as error:
                ledger.write(f"F {error}\n")
                fatal.append(error)
                break
            written[partition] += 1
            total += 1
            producer.poll(0)
        producer.poll(0.005)
        if time.monotonic() - last_flush > 0.02:
            ledger.flush()
            last_flush = time.monotonic()
    left = producer.flush(120)
    for partition, count in enumerate(written):
        ledger.write(f"S {partition} {count}\n")
    if left:
        ledger.write(f"F {left} records were never reported\n")
    ledger.close()
    return 1 if fatal or left else 0


if __name__ == "__main__":
    sys.exit(main())
