"""The broker processes behind a cluster under attack: still the same, and within their memory."""

import contextlib
import http.client
import json
import subprocess

from report import equal

# What a broker may hold, as a part of its memory budget: code, stacks and what the allocator keeps
# come on top.
MOST_RESIDENT = 1.15
# Where `holdfast dev` serves the metrics of a broker: so many ports above its clients.
METRICS_STEP = 2000


def budget(clients):
    """The memory budget of the broker whose clients come to an address, in bytes."""
    host, port = clients.rsplit(":", 1)
    connection = http.client.HTTPConnection(host, int(port) + METRICS_STEP, timeout=20)
    with contextlib.closing(connection):
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
    shares = [line for line in lines if line.startswith("holdfast_memory_share_bytes{")]
    if not shares:
        raise AssertionError(f"the broker at {clients} shows no shares of its memory")
    return sum(int(float(line.split()[-1])) for line in shares)


class Processes:
    """The brokers that a command shows as JSON, as they are now."""

    def __init__(self, command):
        self.command = command
        self.pids = self.now()
        self.budgets = [budget(broker["clients"]) for broker in self.status()]

    def status(self):
        return json.loads(subprocess.run(self.command, check=True, capture_output=True).stdout)

    def now(self):
        return [broker["pid"] for broker in self.status()]

    def are_the_same(self):
        equal(self.now(), self.pids, "processes")

    def memory(self):
        """Fails if a broker ever held more than it may; returns what each held at most, in MiB."""
        peaks = []
        for pid, planned in zip(self.pids, self.budgets):
            with open(f"/proc/{pid}/status", encoding="ascii") as status:
                lines = dict(line.split(":", 1) for line in status)
            peak = int(lines["VmHWM"].split()[0]) << 10
            if peak > planned * MOST_RESIDENT:
                held = f"{peak >> 20} MiB with a budget of {planned >> 20} MiB"
                raise AssertionError(f"process {pid} held {held}")
            peaks.append(peak >> 20)
        return peaks
