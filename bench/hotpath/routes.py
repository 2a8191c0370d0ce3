"""What routes cost: the CPU time per request with 20 routes, relative to one route that takes everything.

The requests of one pylb take a route that strips the beginning of the path, sets a field of the request and a
field of the response; 19 other routes have hosts, paths or neither. The other pylb has one route that changes
nothing. Both forward to the same origin.

`python -m bench.hotpath.routes` is the command. The exit code is 1 if a bound is broken.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from bench.hotpath.measure import WARM_UP, measure
from bench.lib.command import Outcome, run_command
from bench.lib.figure import Figure
from bench.lib.fleet import start_fleet, temporary_directory
from bench.lib.machine import Cores
from bench.lib.options import positive
from bench.lib.origin import serve_origin
from bench.lib.peers.pylb import Pylb
from bench.lib.sample import Sample, ratios, rounds_of
from bench.lib.server import StartError
from bench.lib.verdict import Verdict
from bench.lib.workload import WORKLOADS

ONE, TWENTY = "one route", "20 routes"

SMALL = WORKLOADS["small"]

STRIPPED = replace(SMALL, path=f"/api{SMALL.path}")
"""The requests for the route with actions; the origin receives the same as without routes."""

ROUTES = (
    "web",
    "api=/api strip=/api set:X-Team=shop response-set:X-Frame-Options=DENY",
    *(f"host-{number}=host-{number}.example/app" for number in range(9)),
    *(f"path-{number}=/path-{number}" for number in range(9)),
)

MOST = 1.10
"""The bound of the ratio."""


def run(rounds: int, seconds: int, console: Console) -> Iterator[Sample]:
    """Measure both pylbs in turn, round after round; even rounds in reverse order."""
    cores = Cores.split()
    cores.leave_proxy_core()
    with ExitStack() as stack:
        origin = stack.enter_context(serve_origin(stack.enter_context(temporary_directory()), cores.load))
        peers = [Pylb(ONE), Pylb(TWENTY, routes=ROUTES)]
        fleet = stack.enter_context(start_fleet(peers, [origin.port], SMALL.path, cores, console))
        if fleet.missing:
            raise StartError("; ".join(fleet.missing.values()))
        sides = list(zip(fleet.servers, (SMALL, STRIPPED), strict=True))
        for server, workload in sides:
            measure(server, workload, 0, WARM_UP, cores)
        for number in range(1, rounds + 1):
            for server, workload in sides if number % 2 else reversed(sides):
                yield measure(server, workload, number, seconds, cores)


def evaluate(samples: Sequence[Sample]) -> Verdict:
    """Evaluate the cost of both."""
    rounds = rounds_of(samples, SMALL.name)
    verdict = Verdict()
    for name, of_side in rounds.items():
        verdict.note(name, f"{Figure.of(sample.cpu for sample in of_side)} µs CPU per request")
        verdict.require_zero({f"{name}: failed requests": sum(sample.errors for sample in of_side)})
    ratio = Figure.of(ratios(rounds, TWENTY, ONE))
    name = f"CPU per request with 20 routes and actions, relative to one route (at most {MOST:.2f} ×)"
    verdict.require(name, f"{ratio} ×", holds=ratio.median <= MOST)
    return verdict


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.hotpath.routes", description="CPU time per request with one and with 20 routes."
    )
    parser.add_argument("--rounds", type=positive, default=7, help="number of rounds (7)")
    parser.add_argument("--seconds", type=positive, default=2, help="length of a round in seconds (2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write conditions and rounds")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. The exit code is 1 if a bound is broken."""
    options = parse(arguments)

    def measured(console: Console) -> Outcome:
        samples = list(run(options.rounds, options.seconds, console))
        verdict = evaluate(samples)
        verdict.show(console)
        return Outcome({"samples": samples}, verdict.holds)

    return run_command("bench.hotpath.routes", options.json, measured)


if __name__ == "__main__":
    sys.exit(main())
