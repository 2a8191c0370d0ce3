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

LOOK = 0.05
"""Seconds between two looks at the outcome."""


@dataclass(frozen=True, kw_only=True)
class Target(Group):
    """Which pylb is meant."""

    title: ClassVar = "Which pylb"
    shared: ClassVar = True

    pid_file: str | None = option(PATH, None, "The --pid-file that it was started with.")

    def check(self) -> None:
        """Refuse to guess.

        Raises:
            UsageError: no pid file is named.
        """
        if not self.pid_file:
            raise UsageError("expected --pid-file PATH: the file that the running pylb was started with")


@dataclass(frozen=True, kw_only=True)
class Awaited(Target):
    """Which pylb is meant, and how long to wait for it."""

    title: ClassVar = "How long to wait"
    prefix: ClassVar = "PYLB_OUTCOME_"

    timeout: float = option(DURATION, "5m", "Wait this long for the outcome, then exit with 1.")


def reload(target: Awaited) -> int:
    """Replace workers and control by new ones, with the code and options that are there now."""
    return _wait_for("reload", signal.SIGHUP, target)


def upgrade(target: Awaited) -> int:
    """Replace the whole program by what is on disk now."""
    return _wait_for("upgrade", signal.SIGUSR2, target)


def stop(target: Target) -> int:
    """Finish what runs, then end."""
    pid = _send(signal.SIGTERM, target)
    sys.stdout.write(f"sent SIGTERM to pylb, process {pid}\n")
    return 0


def _send(number: signal.Signals, target: Target) -> int:
    """Signal the pylb that runs; return its process id."""
    pid = running(str(target.pid_file))
    try:
        os.kill(pid, number)
    except OSError as error:
        raise StartError(f"cannot send {number.name} to process {pid}: {error.strerror}") from None
    return pid


def _wait_for(name: str, number: signal.Signals, target: Awaited) -> int:
    """Signal the pylb that runs and wait for the first such procedure that begins after now to end.

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
        sleep(LOOK)
    if outcome.failed:
        raise StartError(outcome.text)
    sys.stdout.write(f"pylb, process {pid}: {outcome.text}\n")
    return 0
