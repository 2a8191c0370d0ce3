"""What becomes of requests when pylb's processes are replaced and killed, and what more workers cost.

`python -m bench.processes reload`, `kill-workers` and `kill-control` disturb a pylb with two workers that is
under load, in each round a new one. The load is wrk's; next to it a few clients check how each of their
connections ends. `python -m bench.processes workers` compares the CPU time per request of one worker and of
two. The exit code is 1 if a bound was broken, be it in one round.
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

from bench import raw
from bench.checked import Checked, Checkers
from bench.consul import Catalog, CatalogError, serve_consul
from bench.disturbances import PASSING, STEADY, Disturbed, Stage, kill_control, kill_workers, reload
from bench.figure import Count, Figure
from bench.fleet import workshop
from bench.hotpath import PAPER_WIDTH
from bench.machine import Cores, Machine
from bench.options import end_on_signals, positive
from bench.origins import serve_origins
from bench.packages import MissingError
from bench.ports import free_ports
from bench.program import Program, serve_program
from bench.sample import Sample
from bench.server import StartError
from bench.verdict import Verdict
from bench.workers import judge, measure
from bench.workload import Workload
from bench.wrk import Load, LoadError, Wrk

SERVICE = "web"
A_DAY = 86_400
CHECKING = 16
"""Clients that check."""
WORKER_BACK = 1.0
"""Seconds within which a worker that was killed must be replaced."""
NEWS_BACK = 2.0
"""Seconds after the restart of control within which changes must arrive."""


@dataclass
class Result:
    """What one round showed."""

    disturbed: Disturbed
    load: Load
    checked: Checked
    lost: int
    """Requests that were lost with a worker, by pylb's own count."""


def run(disturbance: Callable[[Stage, float], Disturbed], options: argparse.Namespace) -> Result:
    """A round: start everything, disturb pylb, end everything."""
    cores = Cores.split()
    with ExitStack() as stack:
        ports = free_ports(STEADY + PASSING)
        origins = stack.enter_context(serve_origins(stack.enter_context(workshop()), ports, cores.load))
        consul = stack.enter_context(serve_consul(stack.enter_context(workshop()), cores.load))
        catalog = Catalog(consul, SERVICE)
        for number, port in enumerate(ports[:STEADY], 1):
            catalog.register(f"web-{number}", port)
        argv = ["--workers", "2", "--consul", f"127.0.0.1:{consul.port}", "--service", SERVICE]
        home = stack.enter_context(workshop())
        program = stack.enter_context(serve_program(home, (*cores.load, *cores.proxy), *argv))
        checkers = Checkers(program.server.port, CHECKING, cores.load)
        workload = Workload("steady", "GET, 3-byte answer", "/", options.connections)
        wrk = Wrk(program.server.url, workload, A_DAY, cores.load)
        try:
            program.await_clients(options.connections + CHECKING)
            disturbed = disturbance(Stage(program, catalog, origins), options.seconds)
        finally:
            wrk.stop()
            load, checked = wrk.finish(), checkers.finish()
        return Result(disturbed, load, checked, metric(program, "pylb_requests_lost_total"))


def metric(program: Program, name: str) -> int:
    """The sum of a metric's values, as the admin server has them."""
    with urllib.request.urlopen(f"http://127.0.0.1:{program.admin}/metrics", timeout=10) as answer:
        values = re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", answer.read().decode(), re.MULTILINE)
    return int(sum(map(float, values)))


UNDISTURBED: Mapping[str, Callable[[Result], int]] = {
    "wrk: status 400 or above": lambda each: each.load.refused,
    "wrk: connections refused, reset or cut": lambda each: each.load.broken,
    "wrk: late by more than 10 s": lambda each: each.load.late,
    "checked: status other than 200": lambda each: each.checked.refusals,
    "checked: refused": lambda each: each.checked.refused,
    "checked: reset": lambda each: each.checked.reset,
    "checked: cut off before the end of an answer": lambda each: each.checked.cut,
    "checked: late by more than 10 s": lambda each: each.checked.late,
    "checked: closed without an announcement": lambda each: each.checked.unannounced,
}
"""What does not happen wherever pylb gets the time to do things in order."""


def nothing_failed(verdict: Verdict, rounds: Sequence[Result]) -> None:
    """None of that did, in any round."""
    verdict.none_of({name: sum(map(count, rounds)) for name, count in UNDISTURBED.items()})


def judge_reload(verdict: Verdict, rounds: Sequence[Result]) -> None:
    """Nothing may fail."""
    disturbed = [each.disturbed for each in rounds]
    nothing_failed(verdict, rounds)
    announced = Count.of(each.checked.announced for each in rounds)
    verdict.say("checked: closed as announced by an answer", announced)
    reloads = Count.of(each.reloads for each in disturbed)
    verdict.must("reloads", reloads, holds=reloads.low > 0)
    upgrades = Count.of(each.upgrades for each in disturbed)
    verdict.must("upgrades", upgrades, holds=upgrades.low == upgrades.high == 1)
    verdict.none_of({"reloads and upgrades that were given up": sum(each.missed for each in disturbed)})


def judge_kill_workers(verdict: Verdict, rounds: Sequence[Result]) -> None:
    """Only what a worker had when it was killed may be lost, and its place must not stay empty."""
    disturbed = [each.disturbed for each in rounds]
    exposed = [each.exposed for each in disturbed]
    of_wrk = [each.load.broken + each.load.late for each in rounds]
    of_checked = [each.checked.lost for each in rounds]
    lost = list(map(add, of_wrk, of_checked))
    counted = [each.lost for each in rounds]
    verdict.say("workers killed", Count.of(each.kills for each in disturbed))
    verdict.say("connections that they had then", Count.of(exposed))
    verdict.must(
        "requests lost (at most those)",
        f"{Count.of(lost)} ({Count.of(of_wrk)} of wrk's, {Count.of(of_checked)} of those checked)",
        holds=all(map(le, lost, exposed)),
    )
    verdict.must("pylb's own count (at most those)", Count.of(counted), holds=all(map(le, counted, exposed)))
    verdict.none_of(
        {
            "checked: refused": sum(each.checked.refused for each in rounds),
            "answers with another status": sum(each.load.refused + each.checked.refusals for each in rounds),
        }
    )
    verdict.times("kill → another worker serves", *(each.back for each in disturbed), most=WORKER_BACK)


def judge_kill_control(verdict: Verdict, rounds: Sequence[Result]) -> None:
    """Nothing may fail, and news must come again."""
    disturbed = [each.disturbed for each in rounds]
    nothing_failed(verdict, rounds)
    verdict.say("controls killed", Count.of(each.kills for each in disturbed))
    verdict.times("kill → another control is there", *(each.back for each in disturbed))
    verdict.times("then → a change is in the traffic", *(each.arrived for each in disturbed), most=NEWS_BACK)
    verdict.none_of({"changes that never were": sum(each.missed for each in disturbed)})


DISTURBANCES = {
    "reload": (reload, judge_reload),
    "kill-workers": (kill_workers, judge_kill_workers),
    "kill-control": (kill_control, judge_kill_control),
}
WORKERS = "workers"


def compare_workers(options: argparse.Namespace, console: Console) -> tuple[Verdict, list[Sample]]:
    """One worker and two; what that showed, and all rounds."""
    samples = measure(options.rounds, options.connections, console)
    return judge(samples), samples


def disturb(options: argparse.Namespace, console: Console) -> tuple[Verdict, list[Result]]:
    """One of the disturbances; what that showed, and the counts of all rounds."""
    disturbance, judge_it = DISTURBANCES[options.what]
    rounds = []
    for number in range(1, options.rounds + 1):
        with console.status(f"{options.what}, {options.seconds} s, round {number} of {options.rounds}"):
            rounds.append(run(disturbance, options))
    verdict = Verdict()
    requests = sum(each.load.requests for each in rounds)
    rate = Figure.of(each.load.rate for each in rounds)
    answers = sum(each.checked.answers for each in rounds)
    verdict.say("requests", f"{requests:,} by wrk ({rate}/s), {answers:,} checked")
    longest = Figure.of(each.checked.longest for each in rounds)
    verdict.say("longest wait for a checked answer", f"{longest} s")
    judge_it(verdict, rounds)
    return verdict, rounds


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.processes", description="Requests while processes come and go."
    )
    parser.add_argument("what", choices=[*DISTURBANCES, WORKERS])
    parser.add_argument("--seconds", type=positive, default=60, help="how long to disturb (60)")
    parser.add_argument("--connections", type=positive, default=64, help="busy client connections (64)")
    parser.add_argument("--rounds", type=positive, default=5, help="rounds (5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write conditions, counts and times")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, judge."""
    options = parse(arguments)
    console = Console() if sys.stdout.isatty() else Console(width=PAPER_WIDTH)
    machine = Machine.this()
    console.print(str(machine), highlight=False)
    prove = compare_workers if options.what == WORKERS else disturb
    try:
        with end_on_signals():
            verdict, results = prove(options, console)
    except (MissingError, StartError, LoadError, CatalogError) as error:
        Console(stderr=True).print(f"bench.processes: {error}", highlight=False, markup=False)
        return 1
    except KeyboardInterrupt:
        return 130
    verdict.show(console)
    if options.json:
        settings = {name: getattr(options, name) for name in ("seconds", "rounds", "connections")}
        versions = {"pylb": version("pylb")}
        content = {"machine": machine, "settings": settings, "versions": versions}
        raw.write(options.json, content | {"verdict": verdict.rows, "results": results})
    return 0 if verdict.holds else 1


if __name__ == "__main__":
    sys.exit(main())
