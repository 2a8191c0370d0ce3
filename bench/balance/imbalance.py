"""How evenly backends are busy with least-connections: one worker, two, eight, and two independent pylbs.

`python -m bench.balance.imbalance` sends the same requests at the same times through all four, side by side.
Each has its own origins, which count their requests in progress. The imbalance of several workers must be at
most 10 % above that of one worker. Two independent pylbs on one port show the imbalance of workers that know
only their own requests. `tests/policy/test_shared.py` applies the same bound to a simulation of two and of
eight workers, without the noise of a machine.

Requests arrive at random, as those of many independent clients do. Clients that always have a request in
progress would hide the imbalance: a backend that answers one request gets the next one, so the result would
depend only on the latency of the proxy, which grows with the number of processes.
"""

from __future__ import annotations

import argparse
import sys
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from rich.console import Console

from bench.balance.live import send
from bench.lib.command import Outcome, run_command
from bench.lib.figure import Figure
from bench.lib.fleet import temporary_directory
from bench.lib.machine import Cores
from bench.lib.options import positive
from bench.lib.ports import free_ports
from bench.lib.repository import module_command
from bench.lib.server import Server, serve
from bench.lib.shared_port import serve_pylbs
from bench.lib.verdict import Verdict
from pylb.tools.simulate.distribution import DISTRIBUTION
from pylb.tools.simulate.recording import Recording
from pylb.tools.simulate.workload import Workload

ALONE, APART = "1 worker", "2 independent pylbs of 1 worker"
SIDES = {ALONE: (1, 1), "2 workers": (1, 2), "8 workers": (1, 8), APART: (2, 1)}
"""Number of pylbs, and number of workers of each."""
MARGIN = 0.10
"""How far the imbalance of several workers may exceed that of one worker, as a share of it."""


@dataclass
class Side:
    """Pylbs on one port, and their origins."""

    origins: Server
    pylbs: Server
    rounds: list[float] = field(default_factory=list)
    """The imbalance of each round."""

    def record(self) -> None:
        """Record the imbalance of a round."""
        with urllib.request.urlopen(f"{self.origins.url}/imbalance", timeout=10) as answer:
            self.rounds.append(float(answer.read()))


def start(name: str, backends: int, stack: ExitStack) -> Side:
    """Start pylbs and their origins.

    Raises:
        MissingError: pylb is not installed.
        StartError: not all of them listen.
    """
    cores = Cores.split()
    ports = free_ports(backends)
    command = module_command("bench.balance.busy_origin", *map(str, ports))
    origins = stack.enter_context(
        serve("origins", command, ports[-1], stack.enter_context(temporary_directory()), cores.load)
    )
    origins.wait_until_ready("/imbalance")
    pylbs, workers = SIDES[name]
    everywhere = (*cores.load, *cores.proxy)
    return Side(origins, serve_pylbs(name, ports, everywhere, stack, pylbs=pylbs, workers=workers))


def measure(options: argparse.Namespace, console: Console) -> dict[str, list[float]]:
    """Measure the imbalance of each side per round. Each round has other requests.

    Raises:
        MissingError: pylb is not installed.
        StartError: a program did not start.
    """
    service_time = DISTRIBUTION.parse(f"exponential:{options.milliseconds}ms")
    with ExitStack() as stack:
        sides = {name: start(name, options.backends, stack) for name in SIDES}
        for number in range(1, options.rounds + 1):
            requests = options.rate * options.seconds
            workload = Workload(options.rate, service_time, requests, number, Recording((), ()))
            with console.status(f"round {number} of {options.rounds}"):
                send([side.pylbs.port for side in sides.values()], [workload] * len(sides))
                for side in sides.values():
                    side.record()
    return {name: side.rounds for name, side in sides.items()}


def evaluate(rounds: dict[str, list[float]]) -> Verdict:
    """Evaluate whether several workers balance as evenly as one."""
    verdict = Verdict()
    verdict.note("imbalance, busiest backend above the mean", f"{percent(rounds[ALONE])} with {ALONE}")
    for name, of_side in rounds.items():
        if name == ALONE:
            continue
        more = Figure.of(together / alone - 1 for together, alone in zip(of_side, rounds[ALONE], strict=True))
        figure = f"{percent(of_side)}: {more.median:+.1%} ± {more.spread:.1%}"
        if name == APART:
            verdict.note(name, figure)
        else:
            verdict.require(f"{name} (within {MARGIN:.0%} of that)", figure, holds=more.median <= MARGIN)
    return verdict


def percent(rounds: Sequence[float]) -> str:
    """An imbalance in percent with its spread."""
    return f"{Figure.of(100 * each for each in rounds)} %"


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.balance.imbalance",
        description="How evenly backends are busy with one and with several workers.",
    )
    for name, default, about in (
        ("backends", 4, "origins of each side"),
        ("rate", 320, "requests per second"),
        ("milliseconds", 100, "mean service time of a request in ms"),
        ("rounds", 5, "number of rounds"),
        ("seconds", 15, "length of a round in seconds"),
    ):
        parser.add_argument(f"--{name}", type=positive, default=default, help=f"{about} ({default})")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. The exit code is 1 if a bound is broken."""
    options = parse(arguments)

    def measured(console: Console) -> Outcome:
        verdict = evaluate(measure(options, console))
        verdict.show(console)
        return Outcome({}, verdict.holds)

    return run_command("bench.balance.imbalance", None, measured)


if __name__ == "__main__":
    sys.exit(main())
