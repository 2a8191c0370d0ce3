"""Load on a balancer while instances come and go behind it; the exit code says whether all went well.

docs/load-testing.md explains it; `python -m bench.load` brings a Consul and a pylb along.
"""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from typing import Any

import gevent
from locust import events
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.runners import WorkerRunner
from rich.console import Console

from bench.load.hits import Hits, Report
from bench.load.instance import SERVED_BY
from bench.load.options import add_balancer, add_instances
from bench.load.run import Run, RunError
from bench.load.users import KeepAlive, NewConnection, Upload, WebSocket

__all__ = ["KeepAlive", "NewConnection", "Upload", "WebSocket"]

PAPER_WIDTH = 110
"""Columns of the verdict, where it does not go to a terminal."""
console = Console(stderr=True, width=None if sys.stderr.isatty() else PAPER_WIDTH)
hits = Hits()
runs: list[Run] = []
"""The present one, if this process is not a worker of Locust's and a test is running."""


def add_options(parser: LocustArgumentParser) -> None:
    """What Locust takes beside its own options; the web UI shows them, too."""
    add_balancer(parser.add_argument)
    add_instances(parser.add_argument)


def prepare(environment: Environment, **_: Any) -> None:
    """Without a web UI, let the run time begin when the instances are there.

    gevent's clock stands still meanwhile, and while a program is loaded: of a short run nothing was left.
    """
    if environment.web_ui is None:
        begin(environment)
    gevent.get_hub().loop.update_now()


def begin(environment: Environment, **_: Any) -> None:
    """Bring the instances, unless they are there already; without them there is no test."""
    if runs:
        return
    hits.seen.clear()
    if isinstance(environment.runner, WorkerRunner):
        return
    environment.host = (environment.host or "").rstrip("/")  # Locust adds paths, which begin with a slash
    run = Run(environment.host, environment.parsed_options or Namespace())
    try:
        run.begin()
    except RunError as error:
        console.print(f"bench/load/locustfile.py: {error}", highlight=False, markup=False)
        sys.exit(1)
    runs.append(run)


def answered(response: Any = None, exception: Exception | None = None, **_: Any) -> None:
    """Note who has answered."""
    if response is not None and exception is None and (name := response.headers.get(SERVED_BY.lower())):
        hits.saw(name, time.time())


def report(data: dict[str, Any], **_: Any) -> None:
    """Send to Locust's master who has answered here."""
    data["sightings"] = hits.take()


def reported(data: dict[str, Any], **_: Any) -> None:
    """Add what one of Locust's workers has seen."""
    seen: Report = data.get("sightings", {})
    hits.add(seen)


def end(environment: Environment, **_: Any) -> None:
    """Judge, and let the exit code say it."""
    if not runs:
        return
    total = environment.stats.total
    errors = len(environment.runner.exceptions) if environment.runner else 0
    verdict = runs.pop().end(total.num_requests, total.num_failures, errors, hits.seen)
    verdict.show(console)
    environment.process_exit_code = 0 if verdict.holds else 1


def judge_what_was_interrupted(environment: Environment, **_: Any) -> None:
    """Locust settles its exit code before it stops a test that was ended by Ctrl-C or TERM."""
    if environment.runner:
        environment.runner.stop()


events.init_command_line_parser.add_listener(add_options)
events.init.add_listener(prepare)
events.test_start.add_listener(begin)
events.request.add_listener(answered)
events.report_to_master.add_listener(report)
events.worker_report.add_listener(reported)
events.test_stop.add_listener(end)
events.quitting.add_listener(judge_what_was_interrupted)
