"""Figures of many runs as one table."""

import json
import sys
from statistics import median

COLUMNS = (
    "| Act | Runs | Seconds p50 / max | Permits | Longest acknowledgement p50 / max | Errors | Looks below min.insync | Load |\n"
    "|---|---|---|---|---|---|---|---|"
)


def of(rows, key):
    return [row[key] for row in rows if row.get(key) is not None]


def pair(values, unit=""):
    if not values:
        return ""
    return f"{median(values):g}{unit} / {max(values):g}{unit}"


def table(rows):
    """A line for each act, in the order in which they were done first, and one for the audits."""
    names = list(dict.fromkeys(row["act"] for row in rows))
    lines = [COLUMNS]
    for name in names:
        of_act = [row for row in rows if row["act"] == name]
        if name.startswith("audit"):
            continue
        permits = of(of_act, "permits")
        lines.append(
            f"| {name} | {len(of_act)} | {pair(of(of_act, 'seconds'))} "
            f"| {max(permits) if permits else ''} | {pair(of(of_act, 'ack_max_ms'), ' ms')} "
            f"| {sum(of(of_act, 'errors'))} | {sum(of(of_act, 'below_min'))} of {sum(of(of_act, 'looks'))} "
            f"| {pair(of(of_act, 'load'))} |"
        )
    audits = [row for row in rows if row["act"].startswith("audit")]
    sums = {key: sum(of(audits, key)) for key in ("acknowledged", "read", "lost", "duplicated", "reordered", "wrong", "given_up")}
    said = ", ".join(f"{key.replace('_', ' ')} {value:,}" for key, value in sums.items())
    lines.append(f"\n{len(audits)} ledgers: {said}.")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table([json.loads(line) for path in sys.argv[1:] for line in open(path, encoding="utf-8")]))
