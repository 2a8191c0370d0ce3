"""What a second worker costs: CPU time per request, next to that of one that has nobody to mind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace

from rich.console import Console

from bench.fleet import Fleet, workshop
from bench.hotpath import WARM_UP, measure
from bench.machine import Cores
from bench.origin import serve_origin
from bench.packages import MissingError
from bench.peers.pylb import Pylb
from bench.sample import Sample, summarize
from bench.server import Server
from bench.verdict import Verdict
from bench.workload import WORKLOADS
from bench.wrk import Wrk

ONE, TWO = Pylb("1 worker", workers=1), Pylb("2 workers", workers=2)
SECONDS = 3
"""Length of a round."""
WORTH = 1.8
"""What two workers must carry on two cores, as a multiple of what one carries on one."""
SMALL = WORKLOADS["small"]


def interleave(servers: Sequence[Server], rounds: int, connections: int, cores: Cores) -> Iterator[Sample]:
    """Measure one worker and two under as many clients per worker, round after round."""
    loads = [
        (server, replace(SMALL, connections=connections * number)) for number, server in enumerate(servers, 1)
    ]
    for server, workload in loads:
        Wrk(server.url, workload, WARM_UP, cores.load).finish()
    for number in range(1, rounds + 1):
        for server, workload in loads:
            yield measure(server, workload, number, SECONDS, cores)


def compare(rounds: int, connections: int, console: Console) -> Verdict:
    """Measure both in turn, with several origins, so that least-connections has to compare.

    All processes of pylb count, and all share one core, apart from the load's: so neither the generator nor
    the number of cores is the limit, and more requests per second of CPU can only come from cheaper ones.

    Args:
        rounds: how often each is measured.
        connections: busy clients per worker.
        console: where progress is shown.

    Raises:
        MissingError: one of them cannot be started.
    """
    cores = Cores.split()
    with ExitStack() as stack:
        origins = [
            stack.enter_context(serve_origin(stack.enter_context(workshop()), cores.load)).port
            for _ in range(3)
        ]
        fleet = Fleet(stack.enter_context(workshop()), cores, stack)
        for peer in (ONE, TWO):
            fleet.start(peer, origins, SMALL.path)
        for reason in fleet.missing.values():
            raise MissingError(reason)
        with console.status(f"{rounds} rounds of {SECONDS} s each, for one worker and for two"):
            samples = list(interleave(fleet.servers, rounds, connections, cores))
    summaries = summarize(samples, ONE.name)[SMALL.name]
    verdict = Verdict()
    for name, summary in summaries.items():
        verdict.say(
            name,
            f"{summary.cpu:.1f} µs CPU per request (user {summary.user:.1f}, sys {summary.system:.1f}, "
            f"± {summary.spread:.0%}), {summary.rate:,.0f} requests/s on one core",
        )
        verdict.none_of({f"{name}: failed requests": summary.errors})
    dearer = summaries[TWO.name].ratio or 0.0
    worth = 2 / dearer if dearer else 0.0
    verdict.must(
        f"two workers on two cores carry, of what one carries on one (at least {WORTH} ×)",
        f"{worth:.2f} × (a request costs {dearer:.2f} ×)",
        holds=worth >= WORTH,
    )
    return verdict
