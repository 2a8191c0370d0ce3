"""What a second worker is worth: the CPU time of a request in a pylb with two workers, next to that with one.

A worker that has a core for itself works with warm caches, and always finds many events to do at a time; one
that shares its core with load generators and origins does not. So a lone worker on two cores is no measure
of what two could do there. What is compared takes the same places: one pylb with two workers, and two pylbs
of one worker each that know nothing of each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import cycle, islice

from rich.console import Console

from bench.fleet import Fleet, workshop
from bench.hotpath import WARM_UP
from bench.machine import Cores
from bench.origin import serve_origin
from bench.packages import MissingError
from bench.peers.pylb import Pylb
from bench.sample import Sample, summarize
from bench.server import Server
from bench.verdict import Verdict
from bench.workload import WORKLOADS
from bench.wrk import Wrk

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
    """One or two pylbs, with origins and load generators, all of them on the same cores."""

    name: str
    servers: Sequence[Server]
    cores: tuple[int, ...]
    connections: int
    """Busy clients per load generator."""

    def load(self, seconds: int) -> list[Wrk]:
        """Begin to send requests, by as many generators as there are cores; each runs where there is room."""
        workload = replace(SMALL, connections=self.connections)
        servers = islice(cycle(self.servers), len(self.cores))
        return [Wrk(server.url, workload, seconds, self.cores) for server in servers]

    def measure(self, number: int) -> Sample:
        """The round of that number."""
        before = [server.cpu() for server in self.servers]
        loads = [load.finish() for load in self.load(SECONDS)]
        used = [server.cpu() - earlier for server, earlier in zip(self.servers, before, strict=True)]
        requests = sum(load.requests for load in loads)
        return Sample(
            workload=SMALL.name,
            peer=self.name,
            round=number,
            user=sum(each.user for each in used) / requests * 1e6,
            system=sum(each.system for each in used) / requests * 1e6,
            rate=sum(load.rate for load in loads),
            p50=max(load.p50 for load in loads),
            p99=max(load.p99 for load in loads),
            rss=sum(server.rss() for server in self.servers) / 2**20,
            requests=requests,
            errors=sum(load.errors for load in loads),
        )


def start(name: str, pylbs: int, workers: int, connections: int, stack: ExitStack) -> Side:
    """Start so many pylbs with so many workers each, and origins for all.

    Raises:
        MissingError: one of them cannot be started.
    """
    split = Cores.split()
    chosen = (*split.proxy, *split.load)[:CORES]
    cores = Cores(proxy=chosen, load=chosen)
    origins = [
        stack.enter_context(serve_origin(stack.enter_context(workshop()), chosen)).port
        for _ in range(ORIGINS)
    ]
    fleet = Fleet(stack.enter_context(workshop()), cores, stack)
    for number in range(pylbs):
        fleet.start(Pylb(f"{name} {number}", workers), origins, SMALL.path)
    for reason in fleet.missing.values():
        raise MissingError(reason)
    return Side(name, fleet.servers, chosen, connections)


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


def judge(samples: Sequence[Sample]) -> Verdict:
    """What all cost, and whether two workers carry what two pylbs do."""
    summaries = summarize(samples, APART)[SMALL.name]
    verdict = Verdict()
    for name, summary in summaries.items():
        verdict.say(
            name,
            f"{summary.cpu:.1f} µs CPU per request (user {summary.user:.1f}, sys {summary.system:.1f}, "
            f"± {summary.spread:.0%}), {summary.rate:,.0f} requests/s",
        )
        verdict.none_of({f"{name}: failed requests": summary.errors})
    dearer = summaries[TOGETHER].ratio or 0.0
    worth = 2 / dearer if dearer else 0.0
    verdict.must(
        f"by CPU time two carry, of what one carries (at least {WORTH} ×)",
        f"{worth:.2f} × (a request costs {dearer:.2f} ×)",
        holds=worth >= WORTH,
    )
    return verdict
