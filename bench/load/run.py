"""One load test: start the instances, list the balancer's processes, and evaluate the results."""

from __future__ import annotations

import argparse
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import ExitStack

from bench.lib.fleet import temporary_directory
from bench.lib.repository import REPOSITORY
from bench.lib.server import wait_for
from bench.lib.verdict import Verdict
from bench.load import journal
from bench.load.evaluation import Outcome, evaluate
from bench.load.hits import InstanceHits
from bench.load.journal import Lifetime
from bench.load.process_watch import ProcessWatch, ProcessWatchError

TIMEOUT = 30.0
"""Seconds within which instances and balancer must be ready, and instances must stop."""
UNVERIFIED = ssl.create_default_context()
"""A TLS context that accepts any certificate, as Locust's clients do."""
UNVERIFIED.check_hostname = False
UNVERIFIED.verify_mode = ssl.CERT_NONE


class RunError(Exception):
    """The test cannot start; the message is one line."""


class Run:
    """One load test, from `begin` to `end`.

    Args:
        url: the base URL of the balancer.
        options: `consul`, `service`, `address`, `instances`, `temporary`, `every`, `pid` and `admin`, as in
            bench/load/locustfile.py.
    """

    def __init__(self, url: str, options: argparse.Namespace) -> None:
        self._url = url
        self._options = options
        self._process_watch = ProcessWatch(options.pid, options.admin)
        self._scaler: subprocess.Popen[bytes] | None = None
        self._before: frozenset[str] = frozenset()
        self._stack = ExitStack()
        self._journal = self._stack.enter_context(temporary_directory()) / "journal"

    def begin(self) -> None:
        """Start the instances and wait until the balancer answers.

        Raises:
            RunError: the instances do not start, or the balancer does not answer.
        """
        if not self._url.startswith(("http://", "https://")):
            raise RunError(f"--host: got {self._url!r}, expected http://host:port or https://host:port")
        try:
            if self._options.consul:
                self._start_instances()
            if not wait_for(self._answers, TIMEOUT):
                raise RunError(f"{self._url} does not answer with a status below 500")
            self._before = self._process_watch.processes()
        except (RunError, ProcessWatchError) as error:
            self._end_scaler()
            raise RunError(str(error)) from None

    def end(self, requests: int, failures: int, errors: int, seen: Mapping[str, InstanceHits]) -> Verdict:
        """List the balancer's processes again, stop the instances, and evaluate the test.

        Args:
            requests: number of requests, failed ones included.
            failures: number of failed requests.
            errors: number of exceptions in the simulated users.
            seen: responses by instance.
        """
        ended = time.time()
        try:
            after = self._process_watch.processes()
        except ProcessWatchError as error:
            after = frozenset({str(error)})
        trouble = self._end_scaler()
        lifetimes = self._lifetimes().values()
        self._stack.close()
        return evaluate(
            Outcome(requests, failures, errors, seen, list(lifetimes), ended, self._before, after, trouble)
        )

    def _start_instances(self) -> None:
        options = self._options
        argv = [sys.executable, "-m", "bench.load.scaler", "--consul", options.consul]
        argv += ["--service", options.service, "--address", options.address, "--every", str(options.every)]
        argv += ["--instances", str(options.instances), "--temporary", str(options.temporary)]
        with self._journal.open("wb") as output:
            # Own session: Ctrl-C must reach Locust only, which stops the scaler after the last request.
            self._scaler = subprocess.Popen(
                argv, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=output, start_new_session=True
            )
        scaler = self._scaler
        ready = wait_for(lambda: scaler.poll() is not None or self._permanent() == options.instances, TIMEOUT)
        if not ready or scaler.poll() is not None:
            raise RunError(f"no instances were registered for {options.service} at {options.consul}")

    def _end_scaler(self) -> str:
        """Stop all instances. Returns an error if the scaler ended early or does not end, else ""."""
        scaler = self._scaler
        if scaler is None:
            return ""
        if scaler.poll() is not None:
            return f"ended early with exit code {scaler.returncode}"
        if scaler.stdin:
            scaler.stdin.close()
        try:
            scaler.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            scaler.kill()
            scaler.wait()
            return "the instances did not stop"
        return ""

    def _lifetimes(self) -> dict[str, Lifetime]:
        return journal.read(self._journal.read_text()) if self._journal.exists() else {}

    def _permanent(self) -> int:
        return sum(lifetime.permanent for lifetime in self._lifetimes().values())

    def _answers(self) -> bool:
        """Whether a backend answers; a status below 500, such as 404, counts."""
        try:
            with urllib.request.urlopen(self._url, timeout=2, context=UNVERIFIED):
                return True
        except urllib.error.HTTPError as error:
            return error.code < 500
        except OSError:
            return False
