"""Writes docs/compatibility.md from what a whole run has seen, or says that it is not what it says.

Usage: compatibility.py RESULTS APIS PAGE, where RESULTS has a line per case, APIS is what as_kafka.py
has written, and PAGE is the page. With HOLDFAST_BLESS set the page is written.
"""

import collections
import json
import os
import pathlib
import re
import sys

from differential.known import DIFFERENCES, KNOWN

HERE = pathlib.Path(__file__).parent

HEAD = """# Compatibility with Kafka

What real clients did, and what Kafka answers to the same requests. `tests/interop/run` sees all of it on each run
of the tests against three brokers, and fails if this page says anything else; `HOLDFAST_BLESS=1 tests/interop/run` writes it.
"""


def version(file, pattern):
    return re.search(pattern, (HERE / file).read_text()).group(1)


def python_client(name):
    return version("../setup", rf"{name}==([0-9.]+)")


def clients():
    """What the cases of each client begin with, and its version."""
    kafka = version("kafka/pom.xml", r"<artifactId>kafka-tools</artifactId>\s*<version>([0-9.]+)<")
    java = version("java/pom.xml", r"<artifactId>kafka-clients</artifactId>\s*<version>([0-9.]+)<")
    return [
        ("java", "Java client", java),
        ("kafka's tools", "Kafka's command-line tools", kafka),
        ("confluent-kafka", "confluent-kafka (librdkafka)", python_client("confluent-kafka")),
        ("kcat", "kcat (librdkafka)", "Debian 12's"),
        ("franz-go", "franz-go", version("go/go.mod", r"franz-go v([0-9.]+)")),
        ("sarama", "sarama", version("go/go.mod", r"sarama v([0-9.]+)")),
        ("kafkajs", "kafkajs", version("setup", r"kafkajs@([0-9.]+)")),
        ("kafka-python", "kafka-python", python_client("kafka-python")),
        ("aiokafka", "aiokafka", python_client("aiokafka")),
    ]


# Cases that name no client are of this one.
OF_CONFLUENT = {"groups"}


def parse(results):
    """The cases: client, what it does, with what."""
    rows = collections.OrderedDict()
    others = collections.defaultdict(list)
    names = [name for name, _, _ in clients()]
    for line in results.splitlines():
        found = re.match(r"pass (.*?)( \([0-9.]+ s\))?$", line)
        if not found:
            continue
        kind, _, what = found.group(1).partition(": ")
        if kind in OF_CONFLUENT:
            kind = f"confluent-kafka {kind}"
        client = next((name for name in names if re.match(rf"{re.escape(name)}\b", kind)), None)
        if client is None:
            others[kind].append(what)
            continue
        extra = kind.removeprefix(client).strip(" ,")
        if extra in CODECS:
            rows.setdefault((client, what), []).append(extra)
        else:
            what = f"{extra}: {what}" if extra else what
            rows.setdefault((client, what), [])
    return rows, others


CODECS = {"none", "gzip", "snappy", "lz4", "zstd"}


def table(headings, rows):
    lines = ["| " + " | ".join(headings) + " |", "|" + "---|" * len(headings)]
    lines += ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def of_clients(rows):
    yield "## Clients\n"
    out = []
    for name, shown, number in clients():
        for (client, what), codecs in rows.items():
            if client == name:
                codecs = f" ({', '.join(codecs)})" if codecs else ""
                out.append((shown, number, what + codecs, "works"))
    yield table(["Client", "Version", "What it does", "Verdict"], out)


def of_requests(cases):
    kafka = dict((name, number) for name, _, number in clients())["kafka's tools"]
    yield "## The same requests\n"
    yield (
        f"{len(cases)} requests, good and bad, go to a broker of Kafka {kafka} and to one of ours, and the answers are "
        f"compared field by field. {len(cases) - len(KNOWN)} are answered alike; these differ on purpose:\n"
    )
    yield table(["Request", "Why"], sorted(KNOWN.items()))


def of_apis(apis):
    yield "## APIs\n"
    def span(versions):
        return "not served" if versions is None else f"{versions[0]} to {versions[1]}"

    keys = sorted(apis["names"], key=int)
    rows = [
        (key, apis["names"][key], span(apis["holdfast"].get(key)), span(apis["kafka"].get(key)))
        for key in keys
        if key in apis["holdfast"] or key in apis["kafka"]
    ]
    yield table(["Key", "API", "Holdfast", "Kafka"], rows)


def page(results, apis):
    rows, others = parse(results)
    parts = [HEAD, *of_clients(rows), *of_requests(others["as kafka"]), *of_apis(apis)]
    parts.append("## What differs on purpose\n")
    parts.append(table(["Holdfast", "Why"], DIFFERENCES))
    parts.append("## Bad input\n")
    parts.append("Requests made by hand, and clients that mean harm, while a well-behaved one goes on:\n")
    bad = [(what,) for kind in ("raw", "hostile") for what in others[kind]]
    parts.append(table(["What"], bad))
    return "\n".join(parts)


def main():
    results, apis, path = (pathlib.Path(argument) for argument in sys.argv[1:4])
    seen = page(results.read_text(), json.loads(apis.read_text()))
    if os.environ.get("HOLDFAST_BLESS"):
        path.write_text(seen)
    said = path.read_text() if path.exists() else ""
    name = "docs/compatibility.md says what was seen"
    if said == seen:
        print(f"pass {name}", flush=True)
        return
    old, new = said.splitlines(), seen.splitlines()
    first = next((line for line in new if line not in old), None)
    first = first or next((line for line in old if line not in new), "their order")
    print(f"FAIL {name}: HOLDFAST_BLESS=1 writes it; the first difference: {first[:200]}", flush=True)


if __name__ == "__main__":
    main()
