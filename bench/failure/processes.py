"""What clients lose when pylb's processes are replaced or killed.

`python -m bench.failure.processes reload`, `kill-workers` and `kill-control` inject one kind of fault
repeatedly into a pylb with two workers under load. Each round starts a new pylb. wrk generates the load,
and a few checking clients record how each of their connections ends. The exit code is 1 if one round breaks
a bound.
"""

from __future__ import annotations

import argparse
import re
import sys
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from operator import add, le
from pathlib import Path

from rich.console import Console

from bench.failure.process_faults import (
    PASSING,
    STEADY,
    Environment,
    FaultResult,
    kill_control,
    kill_workers,
    reload,
)
from bench.lib.client_report import CheckingProcess, ClientReport
from bench.lib.command import Outcome, run_command
from bench.lib.consul import Catalog, serve_consul
from bench.lib.figure import Count, Figure
from bench.lib.fleet import temporary_directory
from bench.lib.machine import Cores
from bench.lib.options import positive
from bench.lib.origins import serve_origins
from bench.lib.ports import free_ports
from bench.lib.program import Program, serve_program
from bench.lib.verdict import Verdict
from bench.lib.workload import Workload
from bench.lib.wrk import Load, Wrk

SERVICE = "web"
A_DAY = 86_400
CHECKING = 16
"""Number of checking clients."""
WORKER_RESTART = 1.0
"""Seconds within which a killed worker must be replaced."""
CHANGE_DELAY = 2.0
"""Seconds after the restart of the control process within which a change must reach the traffic."""


@dataclass
class Result:
    """The result of one round."""

    faults: FaultResult
    load: Load
    clients: ClientReport
    lost: int
    """Requests that were lost with a worker, counted by pylb."""


def run(fault: Callable[[Environment, float], FaultResult], options: argparse.Namespace) -> Result:
    """Run one round: start everything, inject the fault, stop everything."""
    cores = Cores.split()
    with ExitStack() as stack:
        ports = free_ports(STEADY + PASSING)
        origins = stack.enter_context(
            serve_origins(stack.enter_context(temporary_directory()), ports, cores.load)
        )
        consul = stack.enter_context(serve_consul(stack.enter_context(temporary_directory()), cores.load))
        catalog = stack.enter_context(Catalog(consul, SERVICE))
        for number, port in enumerate(ports[:STEADY], 1):
            catalog.register(f"web-{number}", port)
        argv = ["--workers", "2", "--consul", f"127.0.0.1:{consul.port}", "--service", SERVICE]
        home = stack.enter_context(temporary_directory())
        program = stack.enter_context(serve_program(home, (*cores.load, *cores.proxy), *argv))
        clients = CheckingProcess(program.server.port, CHECKING, cores.load)
        workload = Workload("steady", "GET, 3-byte response", "/", options.connections)
        wrk = Wrk(program.server.url, workload, A_DAY, cores.load)
        try:
            program.await_clients(options.connections + CHECKING)
            faults = fault(Environment(program, catalog, origins), options.seconds)
        finally:
            wrk.stop()
            load, report = wrk.finish(), clients.finish()
        return Result(faults, load, report, metric(program, "pylb_requests_lost_total"))


def metric(program: Program, name: str) -> int:
    """The sum of a metric's values, read from the admin API."""
    with urllib.request.urlopen(f"http://127.0.0.1:{program.admin}/metrics", timeout=10) as answer:
        values = re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", answer.read().decode(), re.MULTILINE)
    return int(sum(map(float, values)))


MUST_NOT_HAPPEN: Mapping[str, Callable[[Result], int]] = {
    "wrk: status 400 or above": lambda each: each.load.bad_status,
    "wrk: connections refused, reset or closed early": lambda each: each.load.broken,
    "wrk: no response within 10 s": lambda each: each.load.timed_out,
    "clients: status other than 200": lambda each: each.clients.bad_status,
    "clients: connection refused": lambda each: each.clients.refused,
    "clients: connection reset": lambda each: each.clients.reset,
    "clients: connection closed before the end of a response": lambda each: each.clients.truncated,
    "clients: no response within 10 s": lambda each: each.clients.timed_out,
    "clients: connection closed without `Connection: close`": lambda each: each.clients.closed_unannounced,
}
"""Counts that must be 0 if no worker is killed."""


def require_no_failure(verdict: Verdict, rounds: Sequence[Result]) -> None:
    """Require that no request failed in any round."""
    verdict.require_zero({name: sum(map(count, rounds)) for name, count in MUST_NOT_HAPPEN.items()})


def evaluate_reload(verdict: Verdict, rounds: Sequence[Result]) -> None:
    """Require that no request fails, and that reloads and upgrades succeed."""
    faults = [each.faults for each in rounds]
    require_no_failure(verdict, rounds)
    announced = Count.of(each.clients.closed_announced for each in rounds)
    verdict.note("clients: connection closed after `Connection: close`", announced)
    reloads = Count.of(each.reloads for each in faults)
    verdict.require("reloads", reloads, holds=reloads.low > 0)
    upgrades = Count.of(each.upgrades for each in faults)
    verdict.require("upgrades", upgrades, holds=upgrades.low == upgrades.high == 1)
    verdict.require_zero({"reloads and upgrades that failed": sum(each.missed for each in faults)})


def evaluate_kill_workers(verdict: Verdict, rounds: Sequence[Result]) -> None:
    """Require that only requests of killed workers are lost, and that these are replaced in time."""
    faults = [each.faults for each in rounds]
    exposed = [each.exposed for each in faults]
    of_wrk = [each.load.broken + each.load.timed_out for each in rounds]
    of_clients = [each.clients.lost for each in rounds]
    lost = list(map(add, of_wrk, of_clients))
    counted = [each.lost for each in rounds]
    verdict.note("workers killed", Count.of(each.kills for each in faults))
    verdict.note("client connections of the killed workers", Count.of(exposed))
    verdict.require(
        "requests lost (at most one per connection)",
        f"{Count.of(lost)} ({Count.of(of_wrk)} of wrk, {Count.of(of_clients)} of the checking clients)",
        holds=all(map(le, lost, exposed)),
    )
    verdict.require(
        "requests lost by the count of pylb (at most one per connection)",
        Count.of(counted),
        holds=all(map(le, counted, exposed)),
    )
    verdict.require_zero(
        {
            "clients: connection refused": sum(each.clients.refused for each in rounds),
            "responses with another status": sum(
                each.load.bad_status + each.clients.bad_status for each in rounds
            ),
        }
    )
    verdict.times("kill → new worker serves", *(each.restarted for each in faults), most=WORKER_RESTART)


def evaluate_kill_control(verdict: Verdict, rounds: Sequence[Result]) -> None:
    """Require that no request fails, and that changes reach the traffic after each restart."""
    faults = [each.faults for each in rounds]
    require_no_failure(verdict, rounds)
    verdict.note("control processes killed", Count.of(each.kills for each in faults))
    verdict.times("kill → new control process serves", *(each.restarted for each in faults))
    verdict.times(
        "then → first request to a new instance", *(each.arrived for each in faults), most=CHANGE_DELAY
    )
    verdict.require_zero({"changes that never reached the traffic": sum(each.missed for each in faults)})


FAULTS = {
    "reload": (reload, evaluate_reload),
    "kill-workers": (kill_workers, evaluate_kill_workers),
    "kill-control": (kill_control, evaluate_kill_control),
}


def inject(options: argparse.Namespace, console: Console) -> tuple[Verdict, list[Result]]:
    """Inject one kind of fault. Returns the verdict and the results of all rounds."""
    fault, evaluate = FAULTS[options.what]
    rounds = []
    for number in range(1, options.rounds + 1):
        with console.status(f"{options.what}, {options.seconds} s, round {number} of {options.rounds}"):
            rounds.append(run(fault, options))
    verdict = Verdict()
    requests = sum(each.load.requests for each in rounds)
    rate = Figure.of(each.load.rate for each in rounds)
    responses = sum(each.clients.answers for each in rounds)
    verdict.note("requests", f"{requests:,} by wrk ({rate}/s), {responses:,} by the checking clients")
    slowest = Figure.of(each.clients.slowest for each in rounds)
    verdict.note("slowest response to a checking client", f"{slowest} s")
    evaluate(verdict, rounds)
    return verdict, rounds


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.failure.processes",
        description="What clients lose when pylb's processes are replaced or killed.",
    )
    parser.add_argument("what", choices=FAULTS, help="fault to inject")
    parser.add_argument("--seconds", type=positive, default=60, help="length of a round of faults (60)")
    parser.add_argument(
        "--connections",
        type=positive,
        default=64,
        help="client connections of wrk, each with one request in progress (64)",
    )
    parser.add_argument("--rounds", type=positive, default=5, help="number of rounds (5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write conditions, counts and times")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. The exit code is 1 if a bound is broken."""
    options = parse(arguments)

    def measured(console: Console) -> Outcome:
        verdict, results = inject(options, console)
        verdict.show(console)
        settings = {name: getattr(options, name) for name in ("seconds", "rounds", "connections")}
        versions = {"pylb": version("pylb")}
        content = {"settings": settings, "versions": versions, "verdict": verdict.rows, "results": results}
        return Outcome(content, verdict.holds)

    return run_command("bench.failure.processes", options.json, measured)


if __name__ == "__main__":
    sys.exit(main())
