"""Validate the simulator: the same requests, simulated and sent through a live pylb.

`python -m bench.balance.simulator_validation` draws arrivals and service times and sends those requests at
those times through a pylb whose instances take exactly as long. It simulates the same requests. The
overhead of network, client and pylb is measured with requests that take no time, and is added to the
simulated times. Each round has other requests. Mean and p99 of all rounds together must agree within
`--tolerance`.

The live policy draws other random numbers than the simulated one. With `random`, queue lengths depend on
them so much that the p99 of 3,000 requests differs by about 20 % by chance (`--rounds 1 --requests 3000`).
The difference shrinks as the number of requests grows; the column `by chance` shows it. All rounds of all
policies run side by side, each with its own pylb under little load, so enough requests are sent within
minutes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import chain, islice, product
from operator import attrgetter
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any, Self

from rich import box
from rich.console import Console
from rich.table import Table

from bench.balance.live import send, serve_policies
from bench.lib import raw
from bench.lib.console import output_console
from bench.lib.figure import Figure
from bench.lib.machine import Machine
from bench.lib.options import interrupt_on_signals, names_of, positive, raise_file_limit
from bench.lib.packages import MissingError
from bench.lib.server import StartError
from pylb.policy.balance import BALANCERS
from pylb.tools.simulate.command import simulate
from pylb.tools.simulate.distribution import DISTRIBUTION
from pylb.tools.simulate.options import SimulateOptions
from pylb.tools.simulate.outcome import Latencies
from pylb.tools.simulate.recording import Recording
from pylb.tools.simulate.workload import Arrival, Workload

PAPER_WIDTH = 130
"""Columns of output that does not go to a terminal."""
MS = 1e3

EMPTY = 300
"""Number of requests that take no time, which measure the overhead."""
DRAWS = 20
"""Simulations of the requests of a round, each with other random numbers."""
HEADINGS = (
    *("policy", "mean ms, live", "simulated", "off"),
    *("p99 ms, live", "simulated", "off", "by chance", "noise ms"),
)


@dataclass(frozen=True)
class Times:
    """Mean and 99th percentile of latencies, in seconds."""

    mean: float
    p99: float

    @classmethod
    def of(cls, latencies: Iterable[float]) -> Self:
        """Summarize latencies."""
        ordered = sorted(latencies)
        return cls(fmean(ordered), ordered[int(len(ordered) * 0.99)])

    def off(self, truth: Times) -> tuple[float, float]:
        """The relative differences of mean and p99 to `truth`."""
        return self.mean / truth.mean - 1, self.p99 / truth.p99 - 1


@dataclass(frozen=True)
class Round:
    """The same requests, live and simulated."""

    live: Times
    simulated: Times
    """The simulated times of all draws together."""
    noise: float
    """p99 minus median of the empty requests, in seconds: the noise of the machine."""


@dataclass(frozen=True)
class Comparison:
    """One policy, live and simulated.

    The p99 covers all requests of all rounds; it is not a median of the p99 of the rounds. Most slow requests
    occur in the few periods with long queues, so some rounds have many of them and most have few. A median
    would represent the latter, and would differ from the p99 of many draws together.
    """

    policy: str
    rounds: Sequence[Round]
    live: Times
    """The live times of all rounds."""
    simulated: Times
    """The simulated times of all rounds and draws."""
    chance: float
    """Relative standard deviation of the p99 between draws of all rounds.

    The live run is one such draw, so its p99 is expected to differ by about as much.
    """

    @classmethod
    def read(cls, written: Mapping[str, Any]) -> Self:
        """Read a comparison that `--json` wrote."""
        rounds = [
            Round(Times(**each["live"]), Times(**each["simulated"]), each["noise"])
            for each in written["rounds"]
        ]
        live, simulated = Times(**written["live"]), Times(**written["simulated"])
        return cls(written["policy"], rounds, live, simulated, written["chance"])

    @property
    def off(self) -> tuple[float, float]:
        """The relative differences of the simulated mean and p99 to the live ones."""
        return self.simulated.off(self.live)

    def cells(self) -> list[str]:
        """The row below `HEADINGS`. ± is the spread of the rounds."""
        row = [self.policy]
        for kind, off in zip(("mean", "p99"), self.off, strict=True):
            for side in ("live", "simulated"):
                time = attrgetter(f"{side}.{kind}")
                rounds = [MS * time(each) for each in self.rounds]
                # The median is replaced by the figure of all rounds together.
                row.append(str(Figure(MS * time(self), min(rounds), max(rounds))))
            row.append(f"{off:+.1%}")
        return [*row, f"{self.chance:.1%}", str(Figure.of(MS * each.noise for each in self.rounds))]


class RecordedLatencies(Latencies):
    """All single latencies, so that those of several simulations can be merged."""

    __slots__ = ("each",)

    def __init__(self) -> None:
        super().__init__()
        self.each: list[float] = []

    def add(self, seconds: float) -> None:
        super().add(seconds)
        self.each.append(seconds)


def simulated(options: SimulateOptions, arrivals: Iterable[Arrival]) -> list[float]:
    """Simulate the requests. Returns the latency of each in seconds."""
    simulation = simulate(options)
    simulation.outcome.latencies = recorded = RecordedLatencies()
    simulation.feed(arrivals)
    simulation.finish()
    return recorded.each


@dataclass(frozen=True)
class Run:
    """One live round of one policy."""

    policy: str
    workload: Workload
    empty: Sequence[float]
    """Latencies of the requests that take no time, in seconds."""
    latencies: Sequence[float]
    """Latencies of the requests of the workload, in seconds."""


def run(options: SimulateOptions, policies: Iterable[str], rounds: int) -> list[Run]:
    """Send the requests of each round through all policies, all rounds side by side.

    Args:
        options: the workload; its seed is that of the first round, and each further round adds 1.
        policies: the names of the policies.
        rounds: number of rounds.

    Raises:
        MissingError: pylb is not installed.
        StartError: a program did not start.
    """
    workloads = [
        Workload(options.rate, options.service_time, options.requests, seed, Recording((), ()))
        for seed in range(options.seed, options.seed + rounds)
    ]
    lanes = list(product(policies, workloads))
    with serve_policies([policy for policy, _ in lanes], options.instances) as ports:
        empty = send(
            ports, [[(moment, 0.0) for moment, _ in islice(workload, EMPTY)] for _, workload in lanes]
        )
        live = send(ports, [workload for _, workload in lanes])
    return [
        Run(policy, workload, before, latencies)
        for (policy, workload), before, latencies in zip(lanes, empty, live, strict=True)
    ]


def compare(options: SimulateOptions, policy: str, runs: Iterable[Run]) -> Comparison:
    """Simulate the requests of one policy in all rounds, and compare them with the live times."""
    rounds: list[Round] = []
    live: list[float] = []
    draws: list[list[float]] = [[] for _ in range(DRAWS)]
    for each in runs:
        overhead = median(each.empty)
        given = replace(options, policy=policy, overhead=overhead)
        arrivals, first = list(each.workload), each.workload.seed * DRAWS
        drawn = [simulated(replace(given, seed=first + number), arrivals) for number in range(DRAWS)]
        noise = Times.of(each.empty).p99 - overhead
        rounds.append(Round(Times.of(each.latencies), Times.of(chain(*drawn)), noise))
        live.extend(each.latencies)
        for draw, latencies in zip(draws, drawn, strict=True):
            draw.extend(latencies)
    together = Times.of(chain(*draws))
    chance = stdev(Times.of(draw).p99 for draw in draws) / together.p99
    return Comparison(policy, rounds, Times.of(live), together, chance)


def show(comparisons: Iterable[Comparison], console: Console) -> None:
    """Print the comparisons."""
    table = Table(box=box.SIMPLE_HEAD)
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading == HEADINGS[0] else "right", no_wrap=True)
    for each in comparisons:
        table.add_row(*each.cells())
    console.print(table)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.balance.simulator_validation",
        description="Compare the simulator with live runs of the same requests.",
    )
    for name, default, about in (
        ("instances", 4, "number of instances"),
        ("rate", 70, "requests per second"),
        ("rounds", 7, "number of rounds, each with other requests, run side by side"),
        ("requests", 17000, "requests per round and policy"),
        ("seed", 1, "seed of the arrivals and service times of the first round"),
        ("tolerance", 10, "highest difference in percent"),
    ):
        parser.add_argument(f"--{name}", type=positive, default=default, help=f"{about} ({default})")
    parser.add_argument(
        "--service-time",
        default="exponential:40ms",
        help="distribution of the service time, as for pylb simulate (exponential:40ms)",
    )
    parser.add_argument(
        "--policies",
        type=names_of(BALANCERS),
        default=list(BALANCERS),
        metavar="NAME,...",
        help="policies (all)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all times, in seconds")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. The exit code is 1 if a difference exceeds the tolerance."""
    given = parse(arguments)
    raise_file_limit()
    console = output_console(PAPER_WIDTH)
    machine = Machine.this()
    console.print(str(machine), highlight=False)
    try:
        options = SimulateOptions(
            instances=given.instances,
            rate=given.rate,
            requests=given.requests,
            service_time=DISTRIBUTION.parse(given.service_time),
            seed=given.seed,
        )
        with interrupt_on_signals():
            about = f"{given.rounds} rounds side by side, {given.requests / given.rate:.0f} s"
            with console.status(about):
                runs = run(options, given.policies, given.rounds)
            comparisons = [
                compare(options, policy, [each for each in runs if each.policy == policy])
                for policy in given.policies
            ]
    except ValueError:
        expected = f"got {given.service_time!r}, expected {DISTRIBUTION.expected}"
        Console(stderr=True).print(
            f"bench.balance.simulator_validation: --service-time: {expected}", highlight=False
        )
        return 2
    except (MissingError, StartError) as error:
        Console(stderr=True).print(
            f"bench.balance.simulator_validation: {error}", highlight=False, markup=False
        )
        return 1
    except KeyboardInterrupt:
        return 130
    show(comparisons, console)
    if given.json:
        content = {
            "machine": machine,
            "settings": {
                "instances": given.instances,
                "requests per second": given.rate,
                "requests": given.requests,
                "rounds": given.rounds,
                "service time": given.service_time,
            },
            "versions": {"pylb": version("pylb")},
            "comparisons": comparisons,
        }
        raw.write(given.json, content)
    return int(any(abs(off) * 100 > given.tolerance for each in comparisons for off in each.off))


if __name__ == "__main__":
    sys.exit(main())
