#!/usr/bin/env python3
"""Writes the table of faults survived into docs/reliability.md.

torture_report.py RESULTS PAGE: RESULTS has one JSON object in a line for each round, as `make torture-disks
ROUNDS=...` appends them.
"""

import json
import pathlib
import sys

BEGIN = "<!-- make torture-disks writes what follows -->"
END = "<!-- make torture-disks wrote this -->"

# What each fault is called, and how many the issue of proof wants.
FAULTS = [
    ("Kill", "a broker is killed", 300),
    ("KillAll", "all brokers are killed at once", None),
    ("PowerOfAll", "the power of all brokers is cut at once", 60),
    ("PowerOfOne", "the power of one broker is cut", 60),
    ("Pause", "a broker stands still for 2 to 9 s", 60),
    ("Stop", "a broker is stopped and started", None),
    ("FlipRunning", "a bit flips in a blob file under a running broker", None),
    ("FlipStopped", "a bit flips in a blob file of a killed one", None),
    ("ZeroedStopped", "4 KiB of one become zero", None),
    ("CutOffStopped", "one is cut off", None),
    ("DeletedStopped", "one is deleted", None),
    ("LogDamaged", "a bit flips in a write-ahead log", None),
    ("ManifestDamaged", "a bit flips in a manifest", None),
    ("TableDamaged", "a bit flips in a table of keys", None),
    ("FullOfOne", "one disk is full for some seconds", 30),
    ("FullOfAll", "all disks are", 10),
    ("SyncFails", "a sync fails (EIO), one of the two that follow", None),
    ("EIO of fdatasync", "EIO of `fdatasync`", 5),
    ("EIO of fsync", "EIO of `fsync`", 5),
    ("EIO of write", "EIO of `write` to the write-ahead log", 5),
    ("EIO of pread64", "EIO of `pread64`", 5),
    ("EIO of openat", "EIO of `openat`", 5),
    ("EIO of rename", "EIO of `rename`", 5),
    ("EIO of unlink", "EIO of `unlink`", 5),
    ("EIO of fallocate", "EIO of `fallocate`", 5),
    ("EIO of ftruncate", "EIO of `ftruncate`", 5),
    ("SyncStalls", "every sync of a broker takes 3 s", 5),
    ("CutOff", "a broker is cut off from both others for 2 to 8 s", None),
    ("CutOffLeader", "the same, of a broker that leads", None),
    ("OneWay", "a broker is not heard, or hears nobody, for 2 to 8 s", None),
    ("CutPair", "two brokers do not reach each other", None),
    ("LastStanding", "one is cut off, one of those left loses its power", 60),
    ("ClockJumps", "clocks jump by an hour, a day, a month, back, or drift", 40),
    ("changes of settings", "settings and topics change while a broker is killed", 60),
    ("DisksSwapped", "two brokers find each other's disks: neither starts", None),
    ("DiskRolledBack", "a disk is set back: it is refused, a new one is admitted", None),
    ("DiskWiped", "a disk is wiped, a new one is admitted", None),
]
CUTS = {"CutOff", "CutOffLeader", "OneWay", "CutPair"}
DISKS = {"DiskWiped", "DisksSwapped", "DiskRolledBack"}
# What a round counts beside its faults: a part of one of them, or more than one.
WITHIN = {"changes of settings"}
DAMAGE = {
    "FlipRunning", "FlipStopped", "ZeroedStopped", "CutOffStopped", "DeletedStopped", "LogDamaged",
    "ManifestDamaged", "TableDamaged",
}


def percentile(values, part):
    return values[min(len(values) - 1, int(len(values) * part))] if values else 0


def main():
    results, page = map(pathlib.Path, sys.argv[1:3])
    rounds = [json.loads(line) for line in results.read_text().splitlines() if line.strip()]
    counts = {}
    for one in rounds:
        for fault, count in one["faults"].items():
            counts[fault] = counts.get(fault, 0) + count
    waits = sorted(ms for one in rounds for ms in one["ms_until_all_take_records"])
    cut = sorted(ms for one in rounds for ms in one.get("ms_until_others_lead", []))
    lines = ["| Fault | Times | Wanted |", "|---|---|---|"]
    for fault, words, wanted in FAULTS:
        lines.append(f"| {words} | {counts.get(fault, 0)} | {wanted or ''} |")
    damaged = sum(counts.get(fault, 0) for fault in DAMAGE)
    lines.append(f"| *damage of any kind, running and stopped* | {damaged} | 100 |")
    disks = sum(counts.get(fault, 0) for fault in DISKS)
    lines.append(f"| *disks wiped, swapped, set back* | {disks} | 40 |")
    cuts = sum(counts.get(fault, 0) for fault in CUTS)
    lines.append(f"| *partitions of any kind* | {cuts} | 60 |")
    named = (fault for fault in counts if fault not in WITHIN and not fault.startswith("EIO of "))
    faults = sum(counts[fault] for fault in named)
    acknowledged = sum(one["acknowledged"] for one in rounds)
    compared = sum(one["batches_compared"] for one in rounds)
    lines += [
        "",
        f"{len(rounds)} rounds of {faults} faults: {acknowledged:,} records were acknowledged; none was "
        f"lost, doubled, out of order or altered. {compared:,} batches were compared between disks in the end; all were "
        "equal. From the end of a fault until every partition took records of every producer again: "
        f"{percentile(waits, 0.5) / 1000:.1f} s in the middle, {percentile(waits, 0.99) / 1000:.1f} s in 99 of 100, "
        f"{(waits[-1] if waits else 0) / 1000:.1f} s at most. From the cut of a link until all of them did, while it stayed "
        f"cut ({len(cut)} times): {percentile(cut, 0.5) / 1000:.1f} s, {percentile(cut, 0.99) / 1000:.1f} s, "
        f"{(cut[-1] if cut else 0) / 1000:.1f} s.",
    ]
    text = page.read_text()
    before, rest = text.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    page.write_text(before + BEGIN + "\n" + "\n".join(lines) + "\n" + END + after)


if __name__ == "__main__":
    main()
