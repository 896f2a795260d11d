"""The same requests to Holdfast and to a real Kafka, one broker each: the answers are compared.

Usage: as_kafka.py HOLDFAST JARS CLASSES FOLDER PORT, where JARS has the jars of Kafka, CLASSES the
program Ask, FOLDER is ours to fill, and PORT the first of six that are free.

FOLDER/apis.json tells afterwards which APIs each of the two serves.

Each request is a case. What differs on purpose stands in differential/known.py with its reason; a
difference that is gone fails too, so that the list stays true.
"""

import json
import pathlib
import signal
import subprocess
import sys
import time

from differential.answers import differences, plain
from differential.kafka_broker import KafkaBroker
from differential.known import KNOWN
from differential.requests import everything
from report import case

SHOWN = 3


class Asker:
    """A connection to one broker, through Kafka's own encoding of requests."""

    def __init__(self, jars, classes, port):
        command = ["java", "-Xmx128m", "-XX:TieredStopAtLevel=1", "-cp", f"{classes}:{jars}/*"]
        self.process = subprocess.Popen(
            [*command, "Ask", "127.0.0.1", str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.answers = {}

    def ask(self, name, api, version, request):
        """Asks until whoever coordinates has read its log, which takes each broker its own time."""
        end = time.monotonic() + 30
        while True:
            answer = self.once(name, api, version, request)
            if not (STARTING & set(codes(answer))) or time.monotonic() > end:
                break
            time.sleep(0.1)
        if name in self.answers:
            raise ValueError(f"two requests are called {name}")
        self.answers[name] = answer
        return answer if isinstance(answer, dict) else Nothing()

    def once(self, name, api, version, request):
        print(api, version, json.dumps(request), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{name}: the program that asks has ended")
        return json.loads(line)

    def end(self):
        self.process.stdin.close()
        self.process.wait(30)


# COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR.
STARTING = {14, 15, 16}


def codes(answer):
    if isinstance(answer, dict):
        for key, value in answer.items():
            if key == "errorCode":
                yield value
            else:
                yield from codes(value)
    elif isinstance(answer, list):
        for row in answer:
            yield from codes(row)


class Nothing(dict):
    """The answer of a broker that ended the connection."""

    def __missing__(self, key):
        return None


class OneBroker:
    """A broker of ours, for as long as a `with` lasts."""

    def __init__(self, holdfast, folder, port, *settings):
        self.command = [holdfast, "dev", "--brokers", "1", "--base-port", str(port), "--dir", folder]
        self.command += [word for setting in settings for word in ("--set", setting)]
        self.log = pathlib.Path(folder).with_suffix(".log")

    def __enter__(self):
        log = open(self.log, "w")
        self.process = subprocess.Popen(self.command, stdout=log, stderr=log)
        end = time.monotonic() + 60
        while "serve" not in self.log.read_text() or "data and logs" not in self.log.read_text():
            if self.process.poll() is not None or time.monotonic() > end:
                self.process.kill()
                self.process.wait()
                raise RuntimeError(f"our broker does not come up:\n{self.log.read_text()}")
            time.sleep(0.1)
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)


def compare(name, ours, kafkas):
    """Whether two answers are the same, or differ as is known."""
    found = list(differences(plain(ours), plain(kafkas)))
    known = KNOWN.get(name)
    if found and known is None:
        raise AssertionError("; ".join(found[:SHOWN]))
    if known is not None and not found:
        raise AssertionError("it does not differ from Kafka any more: take it from the list")


def ready(jars, classes, port):
    """Whether a broker answers that it knows itself."""
    asker = Asker(jars, classes, port)
    try:
        request = {"topics": [], "allowAutoTopicCreation": False}
        request.update(includeTopicAuthorizedOperations=False)
        answer = asker.once("ready", "Metadata", 12, request)
        return isinstance(answer, dict) and len(answer["brokers"]) == 1
    except RuntimeError:
        return False
    finally:
        asker.end()


def served(asker):
    """The versions that a broker announces of each API, by the API's key."""
    request = {"clientSoftwareName": "interop", "clientSoftwareVersion": "1"}
    answer = asker.once("what is served", "ApiVersions", 4, request)
    return {row["apiKey"]: [row["minVersion"], row["maxVersion"]] for row in answer["apiKeys"]}


def main():
    holdfast, jars, classes, folder, port = *sys.argv[1:5], int(sys.argv[5])
    with KafkaBroker(jars, f"{folder}/kafka", port) as kafka:
        with OneBroker(holdfast, f"{folder}/holdfast", port + 2) as _ours:
            kafka.wait(lambda: ready(jars, classes, port))
            askers = [Asker(jars, classes, port + 2), Asker(jars, classes, port)]
            for asker in askers:
                everything(asker.ask)
            apis = {
                "names": askers[0].once("names", "names", 0, {}),
                "holdfast": served(askers[0]),
                "kafka": served(askers[1]),
            }
            pathlib.Path(folder, "apis.json").write_text(json.dumps(apis))
            for asker in askers:
                asker.end()
    ours, kafkas = (asker.answers for asker in askers)
    for name in ours:
        case(f"as kafka: {name}", compare, name, ours[name], kafkas[name])
    for name in KNOWN.keys() - ours.keys():
        print(f"FAIL as kafka: {name}: it is known to differ, and never asked", flush=True)


if __name__ == "__main__":
    main()
