"""Does the simulator tell the truth? The same requests, once simulated, once sent through pylb.

`python -m bench.agreement` draws arrivals and service times, sends those requests at those moments through a
pylb before instances that take just as long, and simulates the same. What network, client and pylb add to a
request is measured with some that take no time, and added to the simulated ones. Mean and p99 must agree.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from statistics import fmean, median

from aiohttp import ClientSession, TCPConnector
from rich import box
from rich.console import Console
from rich.table import Table

from bench import raw
from bench.fleet import workshop
from bench.machine import Cores, Machine
from bench.options import end_on_signals, names_of, positive
from bench.packages import MissingError
from bench.peers.peer import Site
from bench.peers.pylb import Pylb
from bench.ports import free_port
from bench.server import Command, Server, StartError, serve
from pylb.policy.balance import BALANCERS
from pylb.simulate.command import simulate
from pylb.simulate.distribution import DISTRIBUTION
from pylb.simulate.options import SimulateOptions
from pylb.simulate.recording import Recording
from pylb.simulate.workload import Arrival, Workload

REPOSITORY = Path(__file__).parents[1]
PAPER_WIDTH = 110
"""Columns of the output, where it does not go to a terminal."""

LEAD = 0.2
"""Seconds before the first request, for the client to get ready."""
EMPTY = 200
"""Requests that take no time, to see what is added to each."""


@dataclass(frozen=True)
class Times:
    """Mean and 99th percentile of some requests, in seconds."""

    mean: float
    p99: float

    @classmethod
    def of(cls, latencies: Sequence[float]) -> Times:
        """Summarize what was measured."""
        return cls(fmean(latencies), sorted(latencies)[int(len(latencies) * 0.99)])

    def off(self, truth: Times) -> tuple[float, float]:
        """How far each is from the truth, as a share of that."""
        return self.mean / truth.mean - 1, self.p99 / truth.p99 - 1


@dataclass(frozen=True)
class Comparison:
    """One policy, both ways."""

    policy: str
    live: Times
    simulated: Times
    noise: float
    """Seconds that one of a hundred empty requests took longer than most: what else the machine does."""

    @property
    def off(self) -> tuple[float, float]:
        """By which share the simulated mean and p99 are above those measured."""
        return self.simulated.off(self.live)


async def send(url: str, arrivals: Iterable[Arrival]) -> list[float]:
    """Send each request at its moment, whatever becomes of those before; return how long each took."""
    latencies = []

    async with ClientSession(connector=TCPConnector(limit=0)) as session, asyncio.TaskGroup() as group:
        start = time.monotonic() + LEAD

        async def get(moment: float, work: float) -> None:
            await asyncio.sleep(start + moment - time.monotonic())
            async with session.get(f"{url}/{work:.6f}") as answer:
                answer.raise_for_status()
                await answer.read()
            latencies.append(time.monotonic() - start - moment)

        for moment, work in arrivals:
            group.create_task(get(moment, work))
    return latencies


def live(
    options: SimulateOptions, policy: str, arrivals: Sequence[Arrival]
) -> tuple[list[float], list[float]]:
    """Send the requests through a pylb, after empty ones; return how long those took, and these."""
    cores = Cores.split()
    with ExitStack() as stack:
        ports = [free_port() for _ in range(options.instances)]
        home = stack.enter_context(workshop())
        argv = [sys.executable, "-m", "bench.working_origin", *map(str, ports)]
        command = Command(argv, {"PYTHONPATH": str(REPOSITORY)})
        origins = stack.enter_context(serve("origins", command, ports[-1], home, cores.load))
        origins.wait_until_it_answers("/0")
        home = stack.enter_context(workshop())
        site = Site(home, free_port(), tuple(ports))
        command = Pylb().command(site)
        command = replace(command, argv=[*command.argv, "--workers", "1", "--policy", policy])
        pylb: Server = stack.enter_context(serve("pylb", command, site.port, home, cores.proxy))
        pylb.wait_until_it_answers("/0")
        empty = asyncio.run(send(pylb.url, [(number * 0.005, 0.0) for number in range(EMPTY)]))
        return empty, asyncio.run(send(pylb.url, arrivals))


def compare(options: SimulateOptions, policies: Iterable[str]) -> list[Comparison]:
    """Do both, policy by policy."""
    workload = Workload(options.rate, options.service_time, options.requests, options.seed, Recording((), ()))
    arrivals = list(workload)
    result = []
    for policy in policies:
        empty, latencies = live(options, policy, arrivals)
        overhead = median(empty)
        simulation = simulate(replace(options, policy=policy, overhead=overhead))
        simulation.feed(arrivals)
        simulated = simulation.finish().latencies
        times = Times(simulated.mean, simulated.percentile(99))
        noise = Times.of(empty).p99 - overhead
        result.append(Comparison(policy, Times.of(latencies), times, noise))
    return result


def show(comparisons: Iterable[Comparison], console: Console) -> None:
    """Print times in milliseconds side by side."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("policy", no_wrap=True)
    for heading in ("mean, live", "simulated", "off", "p99, live", "simulated", "off", "noise"):
        table.add_column(heading, justify="right", no_wrap=True)
    for each in comparisons:
        mean, p99 = each.off
        table.add_row(
            each.policy,
            *(f"{1e3 * each.live.mean:.1f}", f"{1e3 * each.simulated.mean:.1f}", f"{mean:+.1%}"),
            *(f"{1e3 * each.live.p99:.1f}", f"{1e3 * each.simulated.p99:.1f}", f"{p99:+.1%}"),
            f"{1e3 * each.noise:.1f}",
        )
    console.print(table)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.agreement", description="The simulator against a live run of the same requests."
    )
    parser.add_argument("--instances", type=positive, default=4, help="how many there are (4)")
    parser.add_argument("--rate", type=positive, default=70, help="requests per second (70)")
    parser.add_argument("--requests", type=positive, default=3000, help="how many, for each policy (3000)")
    parser.add_argument("--service-time", default="exponential:40ms", help="as for pylb simulate")
    parser.add_argument("--seed", type=positive, default=1, help="of arrivals and service times (1)")
    parser.add_argument(
        "--policies", type=names_of(BALANCERS), default=list(BALANCERS), metavar="NAME,...", help="all"
    )
    parser.add_argument("--tolerance", type=positive, default=10, help="percent that may lie between (10)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the times, in seconds")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, simulate, print; the exit code says whether they agree."""
    given = parse(arguments)
    console = Console() if sys.stdout.isatty() else Console(width=PAPER_WIDTH)
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
        with end_on_signals():
            comparisons = compare(options, given.policies)
    except ValueError:
        expected = f"got {given.service_time!r}, expected {DISTRIBUTION.expected}"
        Console(stderr=True).print(f"bench.agreement: --service-time: {expected}", highlight=False)
        return 2
    except (MissingError, StartError) as error:
        Console(stderr=True).print(f"bench.agreement: {error}", highlight=False, markup=False)
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
                "service time": given.service_time,
            },
            "versions": {"pylb": version("pylb")},
            "comparisons": comparisons,
        }
        raw.write(given.json, content)
    return int(any(abs(off) * 100 > given.tolerance for each in comparisons for off in each.off))


if __name__ == "__main__":
    sys.exit(main())
