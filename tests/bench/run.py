"""Holdfast beside Kafka: the same clients, the same machine, in turn.

Usage: run.py HOLDFAST JARS FOLDER [--pairs N] [--scale X] [--port P] [--results FILE] [--resume] [--page PAGE]

Each pair starts three brokers of Kafka and then of Holdfast, warms them up, runs every workload on each and
ends them; Kafka is then told to sync each message, and what is produced is measured once more. What stands in
the table are medians over the pairs, and medians of the ratios within a pair: a shared machine is slower in one
hour than in the next. Figures of every pair are kept as a line of JSON, and `--resume` goes on after those that
are there; `--scale 0.01` shows within minutes that everything runs. Needs root: caches are dropped, and in the
end of each pair the power is cut.
"""

import argparse
import json
import os
import pathlib
import signal
import statistics
import sys
import time

import power_cut
from clusters import HoldfastCluster, KafkaCluster
from workloads import Clients, Workloads

# How much of each load Kafka is given when it syncs each message: it takes that much longer.
SYNCED_PART = 0.05

KAFKA, SYNCED, HOLDFAST = KINDS = ["Kafka", "Kafka, synced", "Holdfast"]

# Load, figure, what it is, the goals beside Kafka and beside Kafka that syncs.
ROWS = [
    ("1 KiB", "records_per_s", "records/s", ">= 3", ">= 10"),
    ("1 KiB", "cpu_s_per_gib", "broker CPU s/GiB", "<= 0.25", ""),
    ("1 KiB", "disk_bytes_per_byte", "bytes to disk per byte", "", ""),
    ("1 KiB", "disk_flushes", "flushes of the disk per 1,000 records", "", ""),
    ("1 KiB", "memory_mib", "MiB of a broker under load", "", ""),
    ("100 B", "records_per_s", "records/s", ">= 2", ">= 10"),
    ("100 B", "cpu_s_per_gib", "broker CPU s/GiB", "", ""),
    ("64 KiB", "records_per_s", "records/s", ">= 1.5", ">= 10"),
    ("64 KiB", "cpu_s_per_gib", "broker CPU s/GiB", "", ""),
    ("tiny batches", "records_per_s", "records/s", ">= 8", ">= 10"),
    ("tiny batches", "disk_flushes", "flushes of the disk per 1,000 records", "", ""),
    ("end to end", "p50_ms", "ms, half", "", ""),
    ("end to end", "p99_ms", "ms, 99 of 100", "<= 0.5", ""),
    ("cold catch-up", "mb_per_s", "MB/s", "", ""),
    ("leader killed", "max_ms", "ms, longest wait", "", ""),
    ("start", "first_ack_s", "s to the first record", "<= 0.1", ""),
    ("idle", "memory_mib", "MiB of a broker", "<= 0.15", ""),
]


def of_kafka(arguments, work, _pair):
    """Its figures, and those it has when it syncs each message."""
    with KafkaCluster(arguments.jars, f"{arguments.folder}/kafka", arguments.port) as cluster:
        figures = common(work, cluster, None)
        cluster.sync_each_message(True)
        synced = work.produced(cluster, SYNCED_PART)
        cluster.sync_each_message(False)
        figures["leader killed"] = work.leader_killed(cluster)
    return {KAFKA: figures, SYNCED: synced}


def of_holdfast(arguments, work, pair):
    rate = pair[KAFKA]["end to end"]["rate"]
    folder = f"{arguments.folder}/holdfast"
    with HoldfastCluster(arguments.holdfast, folder, arguments.port) as cluster:
        figures = common(work, cluster, rate)
        figures["leader killed"] = work.leader_killed(cluster)
    seconds = max(3, 20 * arguments.scale)
    kept = power_cut.prove(arguments.holdfast, f"{arguments.folder}/cut", arguments.port, seconds)
    figures["power cut"] = {"acknowledged": kept}
    return {HOLDFAST: figures}


def common(work, cluster, rate):
    figures = work.started(cluster)
    work.warm_up(cluster)
    figures |= work.produced(cluster)
    # Half of what Kafka takes in this pair.
    rate = rate or int(figures["1 KiB"]["records_per_s"] / 2)
    figures["end to end"] = work.end_to_end(cluster, rate)
    figures["cold catch-up"] = work.catch_up(cluster)
    return figures


def measure(arguments):
    work = Workloads(Clients(arguments.jars), arguments.scale)
    results = pathlib.Path(arguments.results)
    if not arguments.resume:
        results.unlink(missing_ok=True)
    pairs = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    for number in range(len(pairs), arguments.pairs):
        pair = {}
        for measured in (of_kafka, of_holdfast):
            begun = time.monotonic()
            pair |= measured(arguments, work, pair)
            took = time.monotonic() - begun
            print(f"pair {number + 1}: {measured.__name__}: {took:.0f} s", file=sys.stderr, flush=True)
        pairs.append(pair)
        with results.open("a") as file:
            file.write(json.dumps(pair) + "\n")
    return pairs


def cell(number):
    return f"{number:,.0f}" if number >= 1000 else f"{number:.3g}"


def table(pairs):
    """The rows of the table in docs/benchmarks.md."""
    yield "| Load | Figure | Kafka | Kafka, synced | Holdfast | Ratio to Kafka | Goal | Ratio to Kafka, synced | Goal |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for load, figure, what, goal, synced_goal in ROWS:
        values = {kind: [p[kind].get(load, {}).get(figure) for p in pairs] for kind in KINDS}
        shown = [median_of(values[kind]) for kind in KINDS]
        ratios = [ratio_of(values[HOLDFAST], values[kind]) for kind in (KAFKA, SYNCED)]
        yield f"| {load} | {what} | {' | '.join(shown)} | {ratios[0]} | {goal} | {ratios[1]} | {synced_goal} |"


def median_of(values):
    return "" if None in values else cell(statistics.median(values))


def ratio_of(ours, theirs):
    pairs = [a / b for a, b in zip(ours, theirs) if b]
    return f"{statistics.median(pairs):.3g}" if pairs else ""


def proof(pairs):
    kept = [pair[HOLDFAST]["power cut"]["acknowledged"] for pair in pairs]
    return (
        f"In the end of each of the {len(pairs)} pairs the power of all three brokers was cut under load: "
        f"{sum(kept):,} records had been acknowledged, and all were there afterwards."
    )


BEGIN, END = "<!-- make bench writes what follows -->\n", "<!-- make bench wrote this -->\n"


def parts(page):
    """What stands before the place for the figures, and behind it."""
    before, begin, rest = pathlib.Path(page).read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        sys.exit(f"error: {page} has no place for the figures: {BEGIN.strip()} and {END.strip()}")
    return before, after


def write(page, text):
    before, after = parts(page)
    pathlib.Path(page).write_text(f"{before}{BEGIN}{text}{END}{after}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("holdfast")
    parser.add_argument("jars")
    parser.add_argument("folder")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--port", type=int, default=28092)
    parser.add_argument("--results", default="bench-results.jsonl")
    parser.add_argument("--resume", action="store_true", help="keep the pairs that were measured before")
    parser.add_argument("--page", help="whose table is written")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("error: this needs root: caches are dropped, and power is cut")
    if arguments.page:
        parts(arguments.page)
    # Clusters and disks are ended by whatever ends this.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    pairs = measure(arguments)
    text = "\n".join([*table(pairs), "", proof(pairs)]) + "\n"
    print(text, end="")
    if arguments.page:
        write(arguments.page, text)


if __name__ == "__main__":
    main()
