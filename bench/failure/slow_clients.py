"""What slow clients cost other clients: latency, memory, and how many slow clients pylb disconnects.

`python -m bench.failure.slow_clients` starts a new pylb for each attack of slowhttptest and for idle
connections. During each attack, one other client sends small requests one after the other. Its latency is the
main figure.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from rich.table import Table

from bench.failure.attacks import run_attacks
from bench.lib.console import output_console
from bench.lib.machine import Cores
from bench.lib.options import names_of, positive
from bench.lib.packages import AptPackage
from bench.lib.ports import free_port
from bench.lib.repository import module_command
from bench.lib.server import Server, serve
from bench.lib.workload import WORKLOADS

SLOWHTTPTEST = AptPackage("slowhttptest", "slowhttptest")
PAUSE = 0.002
"""Seconds between two requests of the regular client."""
LOG = "access.log"


@dataclass(frozen=True)
class Attack:
    """A kind of attack by slow clients.

    Args:
        about: a short description.
        path: the requested path.
        arguments: arguments for slowhttptest.
        ending: the termination code of a request that pylb ended because it was slow.
    """

    about: str
    path: str
    arguments: tuple[str, ...]
    ending: str


ATTACKS = {
    "heads": Attack("slow heads", WORKLOADS["small"].path, ("-H", "-i", "5"), "cR"),
    "bodies": Attack("slow bodies", WORKLOADS["upload"].path, ("-B", "-i", "5", "-s", "65536"), "cH"),
    "readers": Attack("slow readers (16 MiB at 5 bytes/s)", WORKLOADS["16m"].path, ("-X",), "cD"),
}
IDLE = "idle"


@dataclass(frozen=True)
class Outcome:
    """The result of one attack."""

    about: str
    slow: int
    closed: int
    latencies: list[float]
    """Sorted, in milliseconds."""
    failed: int
    before: int
    """Resident memory in bytes."""
    peak: int

    def quantile(self, share: float) -> float:
        """The latency that this share of the requests did not exceed, in milliseconds."""
        return self.latencies[min(int(len(self.latencies) * share), len(self.latencies) - 1)]


@contextmanager
def attacked(server: Server, attack: Attack, connections: int, seconds: int) -> Iterator[None]:
    """Run slowhttptest for `seconds`."""
    arguments = [
        *("-c", str(connections), "-r", str(max(connections // 5, 1)), "-l", str(seconds), "-v", "0"),
        *("-p", "5", "-u", server.url + attack.path, *attack.arguments),
    ]
    process = subprocess.Popen([str(SLOWHTTPTEST.locate()), *arguments], stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


@contextmanager
def idle(server: Server, connections: int) -> Iterator[None]:
    """Hold open connections that have sent one request each."""
    with ExitStack() as stack:
        for _ in range(connections):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            client.sendall(b"GET %b HTTP/1.1\r\nHost: bench\r\n\r\n" % WORKLOADS["small"].path.encode())
            client.recv(4096)
        yield


def others(server: Server, seconds: int) -> tuple[list[float], int]:
    """The sorted latencies of a regular client in milliseconds, and its number of failed requests."""
    latencies, failed = [], 0
    client = HTTPConnection("127.0.0.1", server.port, timeout=10)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.perf_counter()
        try:
            client.request("GET", WORKLOADS["small"].path)
            answer = client.getresponse()
            failed += answer.status != 200
            answer.read()
        except OSError:
            failed += 1
            client.close()
        latencies.append((time.perf_counter() - began) * 1e3)
        time.sleep(PAUSE)
    client.close()
    return sorted(latencies), failed


def measure(name: str, origin: Server, cores: Cores, options: argparse.Namespace, home: Path) -> Outcome:
    """Start a pylb, run one attack, and measure a regular client meanwhile."""
    home.mkdir()
    port = free_port()
    arguments = [
        *("--static", f"127.0.0.1:{origin.port}", "--listen", f"127.0.0.1:{port}", "--admin", "off"),
        *("--workers", str(options.workers), "--body-timeout", f"{options.body_timeout}s"),
        *("--access-log", "json", "--access-log-file", str(home / LOG)),
    ]
    command = module_command("pylb", *arguments)
    with serve("pylb", command, port, home, cores.proxy) as server, ExitStack() as stack:
        server.wait_until_ready(WORKLOADS["small"].path)
        before = server.rss()
        server.reset_peak()
        if name == IDLE:
            slow, about = options.idle, "idle after one request"
            stack.enter_context(idle(server, slow))
        else:
            slow, about = options.connections, ATTACKS[name].about
            stack.enter_context(attacked(server, ATTACKS[name], slow, options.seconds))
        latencies, failed = others(server, options.seconds)
        peak = server.peak_rss()
    endings = Counter(json.loads(line)["termination"] for line in (home / LOG).read_text().splitlines())
    closed = endings[ATTACKS[name].ending] if name in ATTACKS else 0
    return Outcome(about, slow, closed, latencies, failed, before, peak)


def table(outcomes: Sequence[Outcome]) -> Table:
    """One row per attack."""
    made = Table(box=None, pad_edge=False, header_style="dim")
    made.add_column("")
    for name in ("slow", "disconnected", "p50 ms", "p99 ms", "max ms", "failed", "MB before", "MB peak"):
        made.add_column(name, justify="right")
    for outcome in outcomes:
        latencies = (f"{outcome.quantile(share):.1f}" for share in (0.5, 0.99, 1))
        memory = (f"{size / 1e6:.0f}" for size in (outcome.before, outcome.peak))
        counts = (f"{outcome.slow:,}", f"{outcome.closed:,}")
        made.add_row(outcome.about, *counts, *latencies, str(outcome.failed), *memory)
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.failure.slow_clients",
        description="Latency and memory of pylb under attacks by slow clients.",
    )
    known = [*ATTACKS, IDLE]
    parser.add_argument(
        "--attacks",
        type=names_of(known),
        default=known,
        metavar="NAME,...",
        help=f"attacks: {','.join(known)} (all)",
    )
    parser.add_argument("--connections", type=positive, default=1000, help="slow clients (1000)")
    parser.add_argument("--idle", type=positive, default=10_000, help="idle clients (10000)")
    parser.add_argument(
        "--workers",
        type=positive,
        default=1,
        help="workers of pylb; each serves up to half its descriptors (1)",
    )
    parser.add_argument("--seconds", type=positive, default=33, help="length of an attack in seconds (33)")
    parser.add_argument(
        "--body-timeout", type=positive, default=20, help="pylb's --body-timeout in seconds (20)"
    )
    options = parser.parse_args(arguments)

    def measured(name: str, origin: Server, cores: Cores, home: Path) -> Outcome:
        return measure(name, origin, cores, options, home)

    return run_attacks("bench.failure.slow_clients", options.attacks, output_console(), measured, table)


if __name__ == "__main__":
    sys.exit(main())
