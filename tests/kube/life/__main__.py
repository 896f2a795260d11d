"""Lives of a cluster, one after the other; the figures of each act are lines of JSON."""

import argparse
import json
import sys
import time
from pathlib import Path

from .acts import ACTS, KILLED, SCALE_OUT
from .kubectl import Failed
from .life import Life
from .mistakes import MISTAKES
from .table import table
from .wishes import WISHES


# Killed: the operator is killed after everything that it does. Wishes: what else people do to a cluster.
# Mistakes: what goes wrong around it.
SETS = {
    "acts": ACTS,
    "killed": KILLED,
    "wishes": [SCALE_OUT, *WISHES],
    "mistakes": [SCALE_OUT, *MISTAKES],
}


def options():
    arguments = argparse.ArgumentParser(prog="life")
    arguments.add_argument("--runs", type=int, default=1)
    arguments.add_argument("--first", type=int, default=1, help="the number of the first run")
    arguments.add_argument("--acts", choices=SETS, default="acts")
    arguments.add_argument("--only", default="", help="acts whose names contain one of these, a,b")
    arguments.add_argument("--versions", required=True, help="one or two that have an image, as 1,2")
    arguments.add_argument("--image", default="", help="REGISTRY/REPOSITORY; empty: the node's own")
    arguments.add_argument("--clients", default="holdfast-clients:test", help="image with kcat")
    arguments.add_argument("--set", action="append", default=[], help="a setting of brokers, as a=b")
    arguments.add_argument("--rate", type=int, default=200, help="records a second and producer")
    arguments.add_argument("--operator-namespace", default="holdfast-system")
    arguments.add_argument("--own-nodes", action="store_true", help="their power is ours")
    arguments.add_argument("--folder", type=Path, required=True, help="for ledgers and figures")
    parsed = arguments.parse_args()
    parsed.versions = parsed.versions.split(",")
    parsed.settings = dict(pair.split("=", 1) for pair in parsed.set)
    registry, _, repository = parsed.image.rpartition("/")
    parsed.image = {"registry": registry, "repository": repository} if parsed.image else None
    return parsed


def chosen(args):
    wanted = [word for word in args.only.split(",") if word]
    for act in SETS[args.acts]:
        # Without six brokers there is no place for the rest.
        if wanted and not any(word in act.name for word in wanted) and "scale" not in act.name:
            continue
        if act.needs == "nodes" and not args.own_nodes:
            print(f"SKIPPED  {act.name}: it needs power over the nodes", flush=True)
            continue
        if act.needs == "builds" and len(args.versions) < 2:
            print(f"SKIPPED  {act.name}: it needs two builds", flush=True)
            continue
        yield act


def live(number, args, say):
    """One life. Says whether all of it went as it must."""
    life = Life(number, args.folder / f"run-{number}", args)
    fine = True
    try:
        say(number, life.begin())
        for act in chosen(args):
            row = life.act(act)
            say(number, row)
            fine &= row["ok"]
        for row in life.end():
            say(number, row)
            fine &= row["ok"]
    except Failed as failure:
        say(number, {"act": "the run", "ok": False, "problems": [str(failure)]})
        return False
    if fine:
        # What went wrong stays to be looked at.
        life.remove()
    return fine


def main():
    args = options()
    args.folder.mkdir(parents=True, exist_ok=True)
    rows = []
    with open(args.folder / "figures.jsonl", "a", encoding="utf-8") as figures:

        def say(number, row):
            row = {"run": number, "at": time.strftime("%Y-%m-%dT%H:%M:%S"), **row}
            rows.append(row)
            figures.write(json.dumps(row) + "\n")
            figures.flush()
            words = (f"{key}={value}" for key, value in row.items() if key not in ("run", "at", "act"))
            print(f"{'ok    ' if row['ok'] else 'FAILED'} run {number} {row['act']}: {' '.join(words)}", flush=True)

        for number in range(args.first, args.first + args.runs):
            if not live(number, args, say):
                return 1
    print(table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
