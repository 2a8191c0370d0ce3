"""What a second worker is worth: the CPU time of a request in a pylb with two, next to that with one each.

A worker that has all cores for itself finds many events at a time; where it shares them with another one,
each finds half as many, and is interrupted for the other. That is the price of a second process, whoever it
belongs to. So what is compared takes the same places and gets the same connections: one pylb with two
workers, and two pylbs of one worker each that know nothing of each other. Those two listen on one port, as
two workers do, on sockets that are handed to them. A pylb with one worker is measured beside them.

Each side has a session of its own, however many pylbs it consists of: the kernel divides busy cores among
sessions first, and among their processes then (sched(7), autogroup).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from rich.console import Console

from bench.hotpath.measure import WARM_UP
from bench.lib.figure import Figure
from bench.lib.fleet import temporary_directory
from bench.lib.machine import Cores
from bench.lib.origin import serve_origin
from bench.lib.sample import Sample, ratios, rounds_of
from bench.lib.server import Server
from bench.lib.shared_port import serve_pylbs
from bench.lib.verdict import Verdict
from bench.lib.workload import WORKLOADS
from bench.lib.wrk import Wrk

CORES = 2
SECONDS = 3
"""Length of a round."""
WORTH = 1.8
"""What two workers must carry, as a multiple of what one carries in the same CPU time."""
SMALL = WORKLOADS["small"]
ORIGINS = 3
"""So that least-connections has to compare."""
APART, TOGETHER, ALONE = "two pylbs, one worker each", "one pylb, two workers", "one pylb, one worker"


@dataclass(frozen=True)
class Side:
    """One or two pylbs on a port, with origins and load generators, all of them on the same cores."""

    name: str
    server: Server
    """All pylbs of this side."""
    cores: Sequence[int]
    connections: int
    """Busy clients per load generator."""

    def load(self, seconds: int) -> list[Wrk]:
        """Begin to send requests, by as many generators as there are cores; each runs where there is room."""
        workload = replace(SMALL, connections=self.connections)
        return [Wrk(self.server.url, workload, seconds, self.cores) for _ in self.cores]

    def measure(self, number: int) -> Sample:
        """The round of that number."""
        before = self.server.cpu()
        loads = [load.finish() for load in self.load(SECONDS)]
        used = self.server.cpu() - before
        requests = sum(load.requests for load in loads)
        return Sample(
            workload=SMALL.name,
            peer=self.name,
            round=number,
            user=used.user / requests * 1e6,
            system=used.system / requests * 1e6,
            rate=sum(load.rate for load in loads),
            p50=max(load.p50 for load in loads),
            p99=max(load.p99 for load in loads),
            rss=self.server.rss() / 2**20,
            requests=requests,
            errors=sum(load.errors for load in loads),
        )


def start(name: str, pylbs: int, workers: int, connections: int, stack: ExitStack) -> Side:
    """Start so many pylbs with so many workers each on one port, and origins for all.

    Raises:
        MissingError: there is no pylb, or no nginx for the origins.
        StartError: not all of them take connections.
    """
    split = Cores.split()
    cores = (*split.proxy, *split.load)[:CORES]
    origins = tuple(
        stack.enter_context(serve_origin(stack.enter_context(temporary_directory()), cores)).port
        for _ in range(ORIGINS)
    )
    server = serve_pylbs(name, origins, cores, stack, pylbs=pylbs, workers=workers)
    server.wait_until_ready(SMALL.path)
    return Side(name, server, cores, connections)


def interleave(sides: Sequence[Side], rounds: int) -> Iterator[Sample]:
    """Measure all in turn, round after round."""
    for side in sides:
        for load in side.load(WARM_UP):
            load.finish()
    for number in range(1, rounds + 1):
        for side in sides:
            yield side.measure(number)


def measure(rounds: int, connections: int, console: Console) -> list[Sample]:
    """Measure two workers together and apart, and one alone, in turn, round after round.

    Everything runs on both cores: pylb, its origins, and as many load generators as cores. What counts is
    pylb's own CPU time per request, of all of its processes; requests per second say little where the load
    shares the cores.

    Args:
        rounds: how often each is measured.
        connections: busy clients per load generator.
        console: where progress is shown.

    Raises:
        MissingError: something cannot be started.
    """
    with ExitStack() as stack:
        sides = [
            start(name, pylbs, workers, connections, stack)
            for name, pylbs, workers in ((APART, 2, 1), (TOGETHER, 1, 2), (ALONE, 1, 1))
        ]
        with console.status(f"{rounds} rounds of {SECONDS} s each, for one worker and for two"):
            return list(interleave(sides, rounds))


def evaluate(samples: Sequence[Sample]) -> Verdict:
    """What all cost, and whether two workers carry what two pylbs do."""
    rounds = rounds_of(samples, SMALL.name)
    verdict = Verdict()
    for name, of_side in rounds.items():
        cpu, user, system, rate = (
            Figure.of(getattr(sample, kind) for sample in of_side)
            for kind in ("cpu", "user", "system", "rate")
        )
        verdict.note(name, f"{cpu} µs CPU per request (user {user}, system {system}), {rate} requests/s")
        verdict.require_zero({f"{name}: failed requests": sum(sample.errors for sample in of_side)})
    verdict.note(
        "two workers: capacity per CPU time, relative to one worker with both cores",
        f"{worth(rounds, ALONE)} ×",
    )
    apart = worth(rounds, APART)
    verdict.require(
        f"two workers: capacity per CPU time, relative to one of two pylbs (at least {WORTH} ×)",
        f"{apart} ×",
        holds=apart.median >= WORTH,
    )
    return verdict


def worth(rounds: Mapping[str, Sequence[Sample]], one: str) -> Figure:
    """What two workers carry, as a multiple of what one carries in the same CPU time, round by round."""
    return Figure.of(2 / dearer for dearer in ratios(rounds, TOGETHER, one))
