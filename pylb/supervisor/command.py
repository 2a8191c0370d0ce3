"""`pylb reload`, `pylb upgrade`, `pylb stop`: signals for the pylb of a pid file, and their outcome."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass
from time import monotonic, sleep
from typing import ClassVar

from pylb.config.kinds import DURATION, PATH
from pylb.config.option import Group, option
from pylb.errors import StartError, UsageError
from pylb.supervisor.outcome import Outcome, read
from pylb.supervisor.pidfile import running

POLL_INTERVAL = 0.05
"""Seconds between two reads of the outcome file."""


@dataclass(frozen=True, kw_only=True)
class Target(Group):
    """The pylb to signal."""

    title: ClassVar = "Which pylb"
    shared: ClassVar = True

    pid_file: str | None = option(PATH, None, "The --pid-file that it was started with.")

    def check(self) -> None:
        """Require a pid file.

        Raises:
            UsageError: no pid file is given.
        """
        if not self.pid_file:
            raise UsageError("expected --pid-file PATH: the file that the running pylb was started with")


@dataclass(frozen=True, kw_only=True)
class Awaited(Target):
    """The pylb to signal, and how long to wait for the outcome."""

    title: ClassVar = "How long to wait"
    prefix: ClassVar = "PYLB_OUTCOME_"

    timeout: float = option(DURATION, "5m", "Wait this long for the outcome, then exit with 1.")


def reload(target: Awaited) -> int:
    """Replace workers and control, with the current code and options."""
    return _wait_for("reload", signal.SIGHUP, target)


def upgrade(target: Awaited) -> int:
    """Replace the whole program by the version on disk."""
    return _wait_for("upgrade", signal.SIGUSR2, target)


def stop(target: Target) -> int:
    """Finish the requests in flight, then end."""
    pid = _send(signal.SIGTERM, target)
    sys.stdout.write(f"sent SIGTERM to pylb, process {pid}\n")
    return 0


def _send(number: signal.Signals, target: Target) -> int:
    """Signal the running pylb; return its process id."""
    pid = running(str(target.pid_file))
    try:
        os.kill(pid, number)
    except OSError as error:
        raise StartError(f"cannot send {number.name} to process {pid}: {error.strerror}") from None
    return pid


def _wait_for(name: str, number: signal.Signals, target: Awaited) -> int:
    """Signal the running pylb and wait until the procedure that this signal starts has ended.

    Raises:
        StartError: it has failed, or there is no outcome.
    """
    path = str(target.pid_file)
    before = read(path)
    pid = _send(number, target)
    if before is None:
        sys.stdout.write(f"sent {number.name} to pylb, process {pid}, which reports no outcomes\n")
        return 0
    begun = before.get(name, Outcome()).begun
    deadline = monotonic() + target.timeout
    while (outcome := (read(path) or before).get(name, Outcome())).ended <= begun:
        if monotonic() > deadline:
            raise StartError(f"{name}: no outcome within {target.timeout:g} s, see the log of process {pid}")
        running(path)
        sleep(POLL_INTERVAL)
    if outcome.failed:
        raise StartError(outcome.text)
    sys.stdout.write(f"pylb, process {pid}: {outcome.text}\n")
    return 0
