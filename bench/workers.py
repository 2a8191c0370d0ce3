"""What a second worker is worth: the CPU time of a request that one takes, next to that of one of two."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

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
"""What two workers must carry on two cores, as a multiple of what one carries on one."""
SMALL = WORKLOADS["small"]
ORIGINS = 3
"""So that least-connections has to compare."""


@dataclass(frozen=True)
class Side:
    """A pylb, with its origins and a load generator per core, all on the same cores."""

    server: Server
    cores: tuple[int, ...]
    connections: int
    """Busy clients per load generator."""

    def load(self, seconds: int) -> list[Wrk]:
        """Begin to send requests, from every core."""
        workload = replace(SMALL, connections=self.connections)
        return [Wrk(self.server.url, workload, seconds, (core,)) for core in self.cores]

    def measure(self, number: int) -> Sample:
        """The round of that number."""
        before = self.server.cpu()
        loads = [load.finish() for load in self.load(SECONDS)]
        used = self.server.cpu() - before
        requests = sum(load.requests for load in loads)
        return Sample(
            workload=SMALL.name,
            peer=self.server.name,
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


def start(workers: int, connections: int, stack: ExitStack) -> Side:
    """Start pylb and its origins.

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
    fleet.start(Pylb(f"{workers} worker{'s'[: workers - 1]}", workers), origins, SMALL.path)
    for reason in fleet.missing.values():
        raise MissingError(reason)
    (server,) = fleet.servers
    return Side(server, chosen, connections)


def interleave(sides: Sequence[Side], rounds: int) -> Iterator[Sample]:
    """Measure all in turn, round after round."""
    for side in sides:
        for load in side.load(WARM_UP):
            load.finish()
    for number in range(1, rounds + 1):
        for side in sides:
            yield side.measure(number)


def compare(rounds: int, connections: int, console: Console) -> Verdict:
    """Measure one worker and two.

    In both cases everything is on both cores: pylb, its origins, and a load generator on each. Both cores
    are busy all the time, as the same work takes longer on a core beside a busy one, and the two cases differ
    in nothing but the number of workers. So what counts is pylb's own CPU time per request, all of its
    processes together; requests per second say little where the load has to share the cores.

    Args:
        rounds: how often each is measured.
        connections: busy clients per load generator.
        console: where progress is shown.

    Raises:
        MissingError: something cannot be started.
    """
    with ExitStack() as stack:
        sides = [start(workers, connections, stack) for workers in (1, 2)]
        with console.status(f"{rounds} rounds of {SECONDS} s each, for one worker and for two"):
            samples = list(interleave(sides, rounds))
    one, two = (side.server.name for side in sides)
    summaries = summarize(samples, one)[SMALL.name]
    verdict = Verdict()
    for name, summary in summaries.items():
        verdict.say(
            name,
            f"{summary.cpu:.1f} µs CPU per request (user {summary.user:.1f}, sys {summary.system:.1f}, "
            f"± {summary.spread:.0%})",
        )
        verdict.none_of({f"{name}: failed requests": summary.errors})
    dearer = summaries[two].ratio or 0.0
    worth = 2 / dearer if dearer else 0.0
    verdict.must(
        f"by CPU time two carry, of what one carries (at least {WORTH} ×)",
        f"{worth:.2f} × (a request costs {dearer:.2f} ×)",
        holds=worth >= WORTH,
    )
    return verdict
