"""One load test: instances come before it begins, the balancer is looked at, and all is judged at its end."""

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

from bench.lib.fleet import workshop
from bench.lib.repository import REPOSITORY
from bench.lib.server import wait_for
from bench.lib.verdict import Verdict
from bench.load import journal
from bench.load.hits import Sighting
from bench.load.journal import Lifetime
from bench.load.judge import Outcome, judge
from bench.load.process_watch import ProcessWatch, WitnessError

PATIENCE = 30.0
"""Seconds for instances and balancer to be ready, and for instances to end."""
UNVERIFIED = ssl.create_default_context()
"""Takes any certificate, as Locust's own clients do."""
UNVERIFIED.check_hostname = False
UNVERIFIED.verify_mode = ssl.CERT_NONE


class RunError(Exception):
    """A test that cannot begin; the message says why in one line."""


class Run:
    """From `begin` to `end`.

    Args:
        url: the balancer.
        options: `consul`, `service`, `address`, `instances`, `passing`, `every`, `pid` and `admin`, as in
            bench/load/locustfile.py.
    """

    def __init__(self, url: str, options: argparse.Namespace) -> None:
        self._url = url
        self._options = options
        self._process_watch = ProcessWatch(options.pid, options.admin)
        self._scaler: subprocess.Popen[bytes] | None = None
        self._before: frozenset[str] = frozenset()
        self._stack = ExitStack()
        self._journal = self._stack.enter_context(workshop()) / "journal"

    def begin(self) -> None:
        """Bring the instances, and wait until the balancer answers.

        Raises:
            RunError: nothing came of that.
        """
        if not self._url.startswith(("http://", "https://")):
            raise RunError(f"--host: got {self._url!r}, expected http://host:port or https://host:port")
        try:
            if self._options.consul:
                self._bring_instances()
            if not wait_for(self._answers, PATIENCE):
                raise RunError(f"{self._url} does not answer as it should")
            self._before = self._process_watch.processes()
        except (RunError, WitnessError) as error:
            self._end_scaler()
            raise RunError(str(error)) from None

    def end(self, requests: int, failures: int, errors: int, seen: Mapping[str, Sighting]) -> Verdict:
        """Look at the balancer once more, let the instances leave, judge.

        Args:
            requests: how many were answered, or failed.
            failures: how many failed.
            errors: how many exceptions users had.
            seen: who answered.
        """
        ended = time.time()
        try:
            after = self._process_watch.processes()
        except WitnessError as error:
            after = frozenset({str(error)})
        trouble = self._end_scaler()
        lifetimes = self._lifetimes().values()
        self._stack.close()
        return judge(
            Outcome(requests, failures, errors, seen, list(lifetimes), ended, self._before, after, trouble)
        )

    def _bring_instances(self) -> None:
        options = self._options
        argv = [sys.executable, "-m", "bench.load.scaler", "--consul", options.consul]
        argv += ["--service", options.service, "--address", options.address, "--every", str(options.every)]
        argv += ["--instances", str(options.instances), "--passing", str(options.passing)]
        with self._journal.open("wb") as output:
            # A session of its own: Ctrl-C is for Locust, which ends it when nobody asks any more.
            self._scaler = subprocess.Popen(
                argv, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=output, start_new_session=True
            )
        scaler = self._scaler
        ready = wait_for(lambda: scaler.poll() is not None or self._steady() == options.instances, PATIENCE)
        if not ready or scaler.poll() is not None:
            raise RunError(f"no instances came to {options.service} at {options.consul}")

    def _end_scaler(self) -> str:
        """Let all instances leave; the reason if the scaler had ended before, or does not end."""
        scaler = self._scaler
        if scaler is None:
            return ""
        if scaler.poll() is not None:
            return f"ended early with exit code {scaler.returncode}"
        if scaler.stdin:
            scaler.stdin.close()
        try:
            scaler.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            scaler.kill()
            scaler.wait()
            return "the instances did not end"
        return ""

    def _lifetimes(self) -> dict[str, Lifetime]:
        return journal.read(self._journal.read_text()) if self._journal.exists() else {}

    def _steady(self) -> int:
        return sum(lifetime.steady for lifetime in self._lifetimes().values())

    def _answers(self) -> bool:
        """Whether somebody behind the balancer answers; a path that is not known there is an answer, too."""
        try:
            with urllib.request.urlopen(self._url, timeout=2, context=UNVERIFIED):
                return True
        except urllib.error.HTTPError as error:
            return error.code < 500
        except OSError:
            return False
