"""A Locust file: load on a balancer while instances are registered and deregistered behind it.

The exit code is 0 if all conditions of the test hold. docs/load-testing.md describes them. `python -m
bench.load` starts a Consul and a pylb for this file.
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
"""Columns of a verdict that does not go to a terminal."""
console = Console(stderr=True, width=None if sys.stderr.isatty() else PAPER_WIDTH)
hits = Hits()
runs: list[Run] = []
"""The current run; empty between tests, and in Locust's worker processes."""


def add_options(parser: LocustArgumentParser) -> None:
    """Add the options of this test to those of Locust. The web UI shows them, too."""
    add_balancer(parser.add_argument)
    add_instances(parser.add_argument)


def prepare(environment: Environment, **_: Any) -> None:
    """Without a web UI, start the instances before the run time begins.

    gevent's clock does not advance meanwhile, nor while a program is loaded. Without the update of the clock,
    a short run would end at once.
    """
    if environment.web_ui is None:
        begin(environment)
    gevent.get_hub().loop.update_now()


def begin(environment: Environment, **_: Any) -> None:
    """Start the instances, unless they are running. Exit if they do not start."""
    if runs:
        return
    hits.by_instance.clear()
    if isinstance(environment.runner, WorkerRunner):
        return
    environment.host = (environment.host or "").rstrip("/")  # Locust appends paths that begin with a slash
    run = Run(environment.host, environment.parsed_options or Namespace())
    try:
        run.begin()
    except RunError as error:
        console.print(f"bench/load/locustfile.py: {error}", highlight=False, markup=False)
        sys.exit(1)
    runs.append(run)


def count_response(response: Any = None, exception: Exception | None = None, **_: Any) -> None:
    """Record the instance that sent the response."""
    if response is not None and exception is None and (name := response.headers.get(SERVED_BY.lower())):
        hits.count(name, time.time())


def send_hits(data: dict[str, Any], **_: Any) -> None:
    """Send the hits of this worker process to Locust's master."""
    data["hits"] = hits.take()


def receive_hits(data: dict[str, Any], **_: Any) -> None:
    """Add the hits of one of Locust's worker processes."""
    report: Report = data.get("hits", {})
    hits.add(report)


def end(environment: Environment, **_: Any) -> None:
    """End the run, print the verdict and set the exit code."""
    if not runs:
        return
    total = environment.stats.total
    errors = len(environment.runner.exceptions) if environment.runner else 0
    verdict = runs.pop().end(total.num_requests, total.num_failures, errors, hits.by_instance)
    verdict.show(console)
    environment.process_exit_code = 0 if verdict.holds else 1


def end_interrupted(environment: Environment, **_: Any) -> None:
    """Stop the test first: Locust sets its exit code before it stops a test that a signal ended."""
    if environment.runner:
        environment.runner.stop()


events.init_command_line_parser.add_listener(add_options)
events.init.add_listener(prepare)
events.test_start.add_listener(begin)
events.request.add_listener(count_response)
events.report_to_master.add_listener(send_hits)
events.worker_report.add_listener(receive_hits)
events.test_stop.add_listener(end)
events.quitting.add_listener(end_interrupted)
