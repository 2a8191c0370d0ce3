"""What a second worker costs: the CPU time per request of two workers, relative to one worker.

A worker that has all cores receives many events per loop iteration. Two workers that share the cores
receive half as many each and interrupt each other. Any second process has this cost. The comparison
therefore uses the same number of processes and the same connections: one pylb with two workers, and two
independent pylbs with one worker each. Those two listen on one port, as two workers do, on inherited
sockets. A pylb with one worker is measured as well.

Each side has one session, however many pylbs it has: the kernel first divides busy cores among sessions,
and then among the processes of a session (sched(7), autogroup).

`python -m bench.hotpath.workers` is the command. The exit code is 1 if a bound is broken.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from rich.console import Console

from bench.hotpath.measure import WARM_UP
from bench.lib.command import Outcome, run_command
from bench.lib.figure import Figure
from bench.lib.fleet import temporary_directory
from bench.lib.machine import Cores
from bench.lib.options import positive
from bench.lib.origin import serve_origin
from bench.lib.sample import Sample, ratios, rounds_of
from bench.lib.server import Server
from bench.lib.shared_port import serve_pylbs
from bench.lib.verdict import Verdict
from bench.lib.workload import WORKLOADS
from bench.lib.wrk import Wrk

CORES = 2
SECONDS = 3
"""Length of a round in seconds."""
CAPACITY = 1.8
"""The capacity per CPU time that two workers must reach, relative to one."""
SMALL = WORKLOADS["small"]
ORIGINS = 3
"""Number of origins; more than one, so that least-connections compares."""
APART, TOGETHER, ALONE = "two pylbs, one worker each", "one pylb, two workers", "one pylb, one worker"


@dataclass(frozen=True)
class Side:
    """One or two pylbs on a port, with origins and load generators, all on the same cores."""

    name: str
    server: Server
    """All pylbs of this side."""
    cores: Sequence[int]
    connections: int
    """Clients per load generator, each with one request in progress."""

    def load(self, seconds: int) -> list[Wrk]:
        """Start one load generator per core. Each may run on every core."""
        workload = replace(SMALL, connections=self.connections)
        return [Wrk(self.server.url, workload, seconds, self.cores) for _ in self.cores]

    def measure(self, number: int) -> Sample:
        """Measure one round."""
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
    """Start pylbs with `workers` workers each on one port, and their origins.

    Raises:
        MissingError: pylb or nginx is not installed.
        StartError: not all of them listen.
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
    """Measure all sides in turn, round after round."""
    for side in sides:
        for load in side.load(WARM_UP):
            load.finish()
    for number in range(1, rounds + 1):
        for side in sides:
            yield side.measure(number)


def measure(rounds: int, connections: int, console: Console) -> list[Sample]:
    """Measure two workers, two independent pylbs, and one worker, in turn, round after round.

    Everything runs on both cores: pylb, its origins, and as many load generators as cores. The
    figure is the CPU time per request of all pylb processes. Requests per second are not meaningful where the
    load shares the cores.

    Args:
        rounds: number of rounds.
        connections: clients per load generator.
        console: shows the progress.

    Raises:
        MissingError: a program is not installed.
    """
    with ExitStack() as stack:
        sides = [
            start(name, pylbs, workers, connections, stack)
            for name, pylbs, workers in ((APART, 2, 1), (TOGETHER, 1, 2), (ALONE, 1, 1))
        ]
        with console.status(f"{rounds} rounds of {SECONDS} s each, for one worker and for two"):
            return list(interleave(sides, rounds))


def evaluate(samples: Sequence[Sample]) -> Verdict:
    """Evaluate the cost of all sides, and the capacity of two workers."""
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
        f"{relative_capacity(rounds, ALONE)} ×",
    )
    apart = relative_capacity(rounds, APART)
    verdict.require(
        f"two workers: capacity per CPU time, relative to one of two pylbs (at least {CAPACITY} ×)",
        f"{apart} ×",
        holds=apart.median >= CAPACITY,
    )
    return verdict


def relative_capacity(rounds: Mapping[str, Sequence[Sample]], one: str) -> Figure:
    """The capacity per CPU time of two workers relative to `one`, per round."""
    return Figure.of(2 / ratio for ratio in ratios(rounds, TOGETHER, one))


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.hotpath.workers", description="CPU time per request of one and of two workers."
    )
    parser.add_argument(
        "--connections", type=positive, default=64, help="client connections per load generator (64)"
    )
    parser.add_argument("--rounds", type=positive, default=5, help="number of rounds (5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write conditions and rounds")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. The exit code is 1 if a bound is broken."""
    options = parse(arguments)

    def measured(console: Console) -> Outcome:
        samples = measure(options.rounds, options.connections, console)
        verdict = evaluate(samples)
        verdict.show(console)
        content = {
            "settings": {"rounds": options.rounds, "connections": options.connections},
            "versions": {"pylb": version("pylb")},
            "verdict": verdict.rows,
            "results": samples,
        }
        return Outcome(content, verdict.holds)

    return run_command("bench.hotpath.workers", options.json, measured)


if __name__ == "__main__":
    sys.exit(main())
