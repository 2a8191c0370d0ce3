"""How evenly backends are busy under least-connections: one worker, two and eight.

`python -m bench.imbalance` runs each before origins of its own that know how many requests each of them has
at any moment. What many workers do must be within 10 % of what one does, if there are as many cores.
(`tests/policy/test_shared.py` holds a simulation of two and of eight to the same, without a machine's noise.)

Requests take long compared with their way through pylb, because a request that waits for a core on a busy
machine is one that pylb has counted and the origin has not.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from rich.console import Console

from bench.fleet import Fleet, workshop
from bench.hotpath import PAPER_WIDTH, WARM_UP
from bench.machine import Cores, Machine
from bench.options import end_on_signals, positive
from bench.packages import MissingError
from bench.peers.pylb import Pylb
from bench.ports import free_port
from bench.server import Command, Server, StartError, serve
from bench.verdict import Verdict
from bench.workload import Workload
from bench.wrk import LoadError, Wrk

REPOSITORY = Path(__file__).parents[1]
WORKERS = (1, 2, 8)
MARGIN = 0.10
"""How much less even many workers may be, as a share of what one worker does."""


@dataclass
class Subject:
    """A pylb with its origins."""

    workers: int
    origins: Server
    pylb: Server
    rounds: list[float] = field(default_factory=list)
    """The imbalance of each round."""

    def measure(self, workload: Workload, seconds: int, cores: Cores) -> None:
        """Do a round. Its first second, in which the connections are opened, does not count."""
        wrk = Wrk(self.pylb.url, workload, WARM_UP + seconds, cores.load)
        time.sleep(WARM_UP)
        self._ask()
        wrk.finish()
        self.rounds.append(self._ask())

    def _ask(self) -> float:
        with urllib.request.urlopen(f"{self.origins.url}/imbalance", timeout=10) as answer:
            return float(answer.read())


def start(number: int, options: argparse.Namespace, cores: Cores, stack: ExitStack) -> Subject:
    """Start a pylb with so many workers, and its origins.

    Raises:
        MissingError: it cannot be started.
    """
    ports = [free_port() for _ in range(options.backends)]
    argv = [sys.executable, "-m", "bench.busy_origin", str(options.milliseconds), *map(str, ports)]
    command = Command(argv, {"PYTHONPATH": str(REPOSITORY)})
    home = stack.enter_context(workshop())
    origins = stack.enter_context(serve("origins", command, ports[0], home, cores.load))
    origins.wait_until_it_answers("/imbalance")
    everywhere = Cores(proxy=(*cores.load, *cores.proxy), load=cores.load)
    fleet = Fleet(stack.enter_context(workshop()), everywhere, stack)
    fleet.start(Pylb(f"{number} workers", workers=number), ports, "/")
    for reason in fleet.missing.values():
        raise MissingError(reason)
    return Subject(number, origins, fleet.servers[0])


def compare(options: argparse.Namespace, console: Console) -> Verdict:
    """Measure all in turn, round after round."""
    cores = Cores.split()
    workload = Workload("steady", "GET, 3-byte answer", "/", options.connections)
    with ExitStack() as stack:
        subjects = [start(number, options, cores, stack) for number in WORKERS]
        for number in range(1, options.rounds + 1):
            with console.status(f"round {number} of {options.rounds}"):
                for subject in subjects:
                    subject.measure(workload, options.seconds, cores)
    verdict = Verdict()
    alone = median(subjects[0].rounds)
    verdict.say("1 worker: the busiest backend is above the mean by", f"{alone:.1%}")
    for subject in subjects[1:]:
        together = median(subject.rounds)
        figure = f"{together:.1%} ({together / alone - 1:+.0%})"
        if subject.workers <= len(os.sched_getaffinity(0)):
            bound = f"{subject.workers} workers (within {MARGIN:.0%} of that)"
            verdict.must(bound, figure, holds=together <= alone * (1 + MARGIN))
        else:
            verdict.say(f"{subject.workers} workers, which have to wait for a core", figure)
    return verdict


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.imbalance", description="How evenly backends are busy."
    )
    for name, default, about in (
        ("backends", 4, "origins of each"),
        ("connections", 64, "busy client connections"),
        ("milliseconds", 200, "what a request takes on average"),
        ("rounds", 5, "rounds for each number of workers"),
        ("seconds", 5, "length of a round"),
    ):
        parser.add_argument(f"--{name}", type=positive, default=default, help=f"{about} ({default})")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, judge."""
    options = parse(arguments)
    console = Console() if sys.stdout.isatty() else Console(width=PAPER_WIDTH)
    console.print(str(Machine.this()), highlight=False)
    try:
        with end_on_signals():
            verdict = compare(options, console)
    except (MissingError, StartError, LoadError) as error:
        Console(stderr=True).print(f"bench.imbalance: {error}", highlight=False, markup=False)
        return 1
    except KeyboardInterrupt:
        return 130
    verdict.show(console)
    return 0 if verdict.holds else 1


if __name__ == "__main__":
    sys.exit(main())
