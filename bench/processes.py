"""What becomes of requests when pylb's processes are replaced and killed, and what more workers cost.

`python -m bench.processes reload`, `kill-workers` and `kill-control` disturb a pylb with two workers that is
under load. The load is wrk's; next to it a few clients check how each of their connections ends. `python -m
bench.processes workers` compares the CPU time per request of one worker and of two. The exit code is 1 if a
bound was broken.
"""

from __future__ import annotations

import argparse
import re
import sys
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from rich.console import Console

from bench import raw
from bench.checked import Checked, Checkers
from bench.consul import Catalog, CatalogError, serve_consul
from bench.disturbances import PASSING, STEADY, Disturbed, Stage, kill_control, kill_workers, reload
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
    """What one disturbed run showed."""

    disturbed: Disturbed
    load: Load
    checked: Checked
    lost: int
    """Requests that were lost with a worker, by pylb's own count."""


def run(disturbance: Callable[[Stage, float], Disturbed], options: argparse.Namespace) -> Result:
    """Start everything, disturb pylb, end everything."""
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


def nothing_failed(verdict: Verdict, result: Result) -> None:
    """What holds wherever pylb gets the time to do things in order."""
    load, checked = result.load, result.checked
    verdict.none_of(
        {
            "wrk: status 400 or above": load.refused,
            "wrk: connections refused, reset or cut": load.broken,
            "wrk: late by more than 10 s": load.late,
            "checked: status other than 200": checked.refusals,
            "checked: refused": checked.refused,
            "checked: reset": checked.reset,
            "checked: cut off before the end of an answer": checked.cut,
            "checked: late by more than 10 s": checked.late,
            "checked: closed without an announcement": checked.unannounced,
        }
    )


def judge_reload(verdict: Verdict, result: Result) -> None:
    """Nothing may fail."""
    disturbed = result.disturbed
    nothing_failed(verdict, result)
    verdict.say("checked: closed as announced by an answer", f"{result.checked.announced}")
    verdict.must("reloads", f"{disturbed.reloads}", holds=disturbed.reloads > 0)
    verdict.must("upgrades", f"{disturbed.upgrades}", holds=disturbed.upgrades == 1)
    verdict.none_of({"reloads and upgrades that were given up": disturbed.missed})


def judge_kill_workers(verdict: Verdict, result: Result) -> None:
    """Only what a worker had when it was killed may be lost, and its place must not stay empty."""
    disturbed, load, checked = result.disturbed, result.load, result.checked
    lost = load.broken + load.late + checked.lost
    verdict.say("workers killed", f"{disturbed.kills}")
    verdict.say("connections that they had then", f"{disturbed.exposed}")
    verdict.must(
        "requests lost (at most those)",
        f"{lost} ({load.broken + load.late} of wrk's, {checked.lost} of those checked)",
        holds=lost <= disturbed.exposed,
    )
    verdict.must("pylb's own count (at most those)", f"{result.lost}", holds=result.lost <= disturbed.exposed)
    verdict.none_of(
        {
            "checked: refused": checked.refused,
            "answers with another status": load.refused + checked.refusals,
        }
    )
    verdict.times("kill → another worker serves", disturbed.back, WORKER_BACK)


def judge_kill_control(verdict: Verdict, result: Result) -> None:
    """Nothing may fail, and news must come again."""
    disturbed = result.disturbed
    nothing_failed(verdict, result)
    verdict.say("controls killed", f"{disturbed.kills}")
    verdict.times("kill → another control is there", disturbed.back)
    verdict.times("then → a change is in the traffic", disturbed.arrived, NEWS_BACK)
    verdict.none_of({"changes that never were": disturbed.missed})


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


def disturb(options: argparse.Namespace, console: Console) -> tuple[Verdict, Result]:
    """One of the disturbances; what that showed, and all counts."""
    disturbance, judge_it = DISTURBANCES[options.what]
    with console.status(f"{options.what}, {options.seconds} s"):
        result = run(disturbance, options)
    verdict, load, checked = Verdict(), result.load, result.checked
    verdict.say("requests", f"{load.requests:,} by wrk ({load.rate:,.0f}/s), {checked.answers:,} checked")
    verdict.say("longest wait for a checked answer", f"{checked.longest:.2f} s")
    judge_it(verdict, result)
    return verdict, result


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.processes", description="Requests while processes come and go."
    )
    parser.add_argument("what", choices=[*DISTURBANCES, WORKERS])
    parser.add_argument("--seconds", type=positive, default=60, help="how long to disturb (60)")
    parser.add_argument("--connections", type=positive, default=64, help="busy client connections (64)")
    parser.add_argument("--rounds", type=positive, default=5, help="rounds that compare workers (5)")
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
            verdict, result = prove(options, console)
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
        raw.write(options.json, content | {"verdict": verdict.rows, "result": result})
    return 0 if verdict.holds else 1


if __name__ == "__main__":
    sys.exit(main())
