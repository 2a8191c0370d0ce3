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
"""Columns of the output, where it does not go to a terminal."""
MS = 1e3

EMPTY = 300
"""Requests that take no time, to see what is added to each."""
DRAWS = 20
"""Simulations of a round's requests, each of which draws otherwise."""
HEADINGS = (
    *("policy", "mean ms, live", "simulated", "off"),
    *("p99 ms, live", "simulated", "off", "by chance", "noise ms"),
)


@dataclass(frozen=True)
class Times:
    """Mean and 99th percentile of some requests, in seconds."""

    mean: float
    p99: float

    @classmethod
    def of(cls, latencies: Iterable[float]) -> Self:
        """Summarize what was measured."""
        ordered = sorted(latencies)
        return cls(fmean(ordered), ordered[int(len(ordered) * 0.99)])

    def off(self, truth: Times) -> tuple[float, float]:
        """How far each is from the truth, as a share of that."""
        return self.mean / truth.mean - 1, self.p99 / truth.p99 - 1


@dataclass(frozen=True)
class Round:
    """The same requests, both ways."""

    live: Times
    simulated: Times
    """Of all draws together."""
    noise: float
    """Seconds that one of a hundred empty requests took longer than most: what else the machine does."""


@dataclass(frozen=True)
class Comparison:
    """One policy, both ways.

    The p99 that is compared is that of all requests of all rounds, not a median of the rounds' own: most of
    the slow requests fall into the few moments when a queue was long, so some rounds have many of them, and
    most have few. A median would be that of the latter, and would not be the one of many draws together.
    """

    policy: str
    rounds: Sequence[Round]
    live: Times
    """Of the requests of all rounds."""
    simulated: Times
    """Of the requests of all rounds, in all draws."""
    chance: float
    """Standard deviation of the p99 from one draw of all rounds to the next, as a share of it: what the
    simulation expects of the live one, which is such a draw."""

    @classmethod
    def read(cls, written: Mapping[str, Any]) -> Self:
        """From what `--json` wrote."""
        rounds = [
            Round(Times(**each["live"]), Times(**each["simulated"]), each["noise"])
            for each in written["rounds"]
        ]
        live, simulated = Times(**written["live"]), Times(**written["simulated"])
        return cls(written["policy"], rounds, live, simulated, written["chance"])

    @property
    def off(self) -> tuple[float, float]:
        """By which share the simulated mean and p99 are above those measured."""
        return self.simulated.off(self.live)

    def cells(self) -> list[str]:
        """A row below the headings. What comes after ± is how far the rounds are apart."""
        row = [self.policy]
        for kind, off in zip(("mean", "p99"), self.off, strict=True):
            for side in ("live", "simulated"):
                time = attrgetter(f"{side}.{kind}")
                rounds = [MS * time(each) for each in self.rounds]
                # All rounds together stand where a median of them would.
                row.append(str(Figure(MS * time(self), min(rounds), max(rounds))))
            row.append(f"{off:+.1%}")
        return [*row, f"{self.chance:.1%}", str(Figure.of(MS * each.noise for each in self.rounds))]


class Kept(Latencies):
    """Each of the latencies, so that those of several simulations can be put together."""

    __slots__ = ("each",)

    def __init__(self) -> None:
        super().__init__()
        self.each: list[float] = []

    def add(self, seconds: float) -> None:
        super().add(seconds)
        self.each.append(seconds)


def simulated(options: SimulateOptions, arrivals: Iterable[Arrival]) -> list[float]:
    """Simulate the requests; return how many seconds each took."""
    simulation = simulate(options)
    simulation.outcome.latencies = kept = Kept()
    simulation.feed(arrivals)
    simulation.finish()
    return kept.each


@dataclass(frozen=True)
class Run:
    """One policy's round, live."""

    policy: str
    workload: Workload
    empty: Sequence[float]
    """What requests took that take no time, in seconds."""
    latencies: Sequence[float]
    """What those of the workload took."""


def run(options: SimulateOptions, policies: Iterable[str], rounds: int) -> list[Run]:
    """Send each round's requests through all policies, all rounds side by side.

    Args:
        options: the work; its seed is that of the first round, each has its own.
        policies: their names.
        rounds: how many there are.

    Raises:
        MissingError: there is no pylb.
        StartError: something did not start.
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
    """Simulate what came to one policy in all rounds, next to what it took live."""
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
    """Print them."""
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
        description="The simulator against live runs of the same requests.",
    )
    for name, default, about in (
        ("instances", 4, "how many there are"),
        ("rate", 70, "requests per second"),
        ("rounds", 7, "rounds, each with other requests, side by side"),
        ("requests", 17000, "requests of a round, for each policy"),
        ("seed", 1, "of arrivals and service times of the first round"),
        ("tolerance", 10, "percent that may lie between"),
    ):
        parser.add_argument(f"--{name}", type=positive, default=default, help=f"{about} ({default})")
    parser.add_argument("--service-time", default="exponential:40ms", help="as for pylb simulate")
    parser.add_argument(
        "--policies", type=names_of(BALANCERS), default=list(BALANCERS), metavar="NAME,...", help="all"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the times, in seconds")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, simulate, print; the exit code says whether they agree."""
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
