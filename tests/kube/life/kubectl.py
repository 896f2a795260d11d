"""What is asked of Kubernetes, by kubectl, as a person would."""

import json
import subprocess
import time


class Failed(Exception):
    """A command failed, or something did not come in time."""


def run(*command, given=None, timeout=120):
    """Runs a command and returns what it wrote."""
    done = subprocess.run(
        command, input=given, capture_output=True, text=True, timeout=timeout, check=False
    )
    if done.returncode != 0:
        words = " ".join(str(word) for word in command)
        raise Failed(f"{words}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


class Namespace:
    """One namespace."""

    def __init__(self, name):
        self.name = name

    def kubectl(self, *words, given=None, timeout=120):
        return run("kubectl", "--namespace", self.name, *words, given=given, timeout=timeout)

    def apply(self, *documents):
        given = "\n".join(json.dumps(document) for document in documents)
        return self.kubectl("apply", "--filename", "-", given=given)

    def get(self, *words):
        return json.loads(self.kubectl("get", *words, "--output", "json"))

    def items(self, *words):
        return self.get(*words)["items"]

    def patch(self, kind, name, change):
        self.kubectl("patch", kind, name, "--type", "merge", "--patch", json.dumps(change))


def until(what, holds, seconds, every=0.4):
    """Waits until something holds, and returns what it gave. Failures to ask are asked again: the one
    that answers may have been killed on purpose."""
    end = time.monotonic() + seconds
    last = None
    while time.monotonic() < end:
        try:
            if found := holds():
                return found
        except (Failed, subprocess.TimeoutExpired) as failure:
            last = failure
        time.sleep(every)
    raise Failed(f"{what}: not within {seconds} s{f' ({last})' if last else ''}")
