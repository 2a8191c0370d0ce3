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
from bench.lib.console import output_console
from bench.lib.figure import Figure
from bench.lib.fleet import temporary_directory
from bench.lib.machine import Cores, Machine
from bench.lib.options import interrupt_on_signals, positive
from bench.lib.packages import MissingError
from bench.lib.ports import free_ports
from bench.lib.repository import module_command
from bench.lib.server import Server, StartError, serve
from bench.lib.shared_port import serve_pylbs
from bench.lib.verdict import Verdict
from pylb.tools.simulate.distribution import DISTRIBUTION
from pylb.tools.simulate.recording import Recording
from pylb.tools.simulate.workload import Workload

ALONE, APART = "1 worker", "2 pylbs of 1 worker, each for itself"
SIDES = {ALONE: (1, 1), "2 workers": (1, 2), "8 workers": (1, 8), APART: (2, 1)}
"""How many pylbs, and how many workers each has."""
MARGIN = 0.10
"""How much less even many workers may be, as a share of what one worker does."""


@dataclass
class Side:
    """Pylbs on a port, with their origins."""

    origins: Server
    pylbs: Server
    rounds: list[float] = field(default_factory=list)
    """The imbalance of each round."""

    def ask(self) -> None:
        """Take note of a round."""
        with urllib.request.urlopen(f"{self.origins.url}/imbalance", timeout=10) as answer:
            self.rounds.append(float(answer.read()))


def start(name: str, backends: int, stack: ExitStack) -> Side:
    """Start pylbs and origins of their own.

    Raises:
        MissingError: there is no pylb.
        StartError: not all of them take connections.
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
    """The imbalance of each side in each round; each round has other requests.

    Raises:
        MissingError: there is no pylb.
        StartError: not everything could be started.
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
                    side.ask()
    return {name: side.rounds for name, side in sides.items()}


def evaluate(rounds: dict[str, list[float]]) -> Verdict:
    """Whether many workers balance as one."""
    verdict = Verdict()
    verdict.note("the busiest backend is above the mean by", f"{percent(rounds[ALONE])} with {ALONE}")
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
    """An imbalance with its spread."""
    return f"{Figure.of(100 * each for each in rounds)} %"


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.balance.imbalance", description="How evenly backends are busy."
    )
    for name, default, about in (
        ("backends", 4, "origins of each"),
        ("rate", 320, "requests per second"),
        ("milliseconds", 100, "what a request takes on average"),
        ("rounds", 5, "how often"),
        ("seconds", 15, "length of a round"),
    ):
        parser.add_argument(f"--{name}", type=positive, default=default, help=f"{about} ({default})")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, evaluate."""
    options = parse(arguments)
    console = output_console()
    console.print(str(Machine.this()), highlight=False)
    try:
        with interrupt_on_signals():
            verdict = evaluate(measure(options, console))
    except (MissingError, StartError) as error:
        Console(stderr=True).print(f"bench.balance.imbalance: {error}", highlight=False, markup=False)
        return 1
    except KeyboardInterrupt:
        return 130
    verdict.show(console)
    return 0 if verdict.holds else 1


if __name__ == "__main__":
    sys.exit(main())
