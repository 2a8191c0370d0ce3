"""`pylb reload`, `pylb upgrade`, `pylb stop`: the signals by name, for the pylb that a pid file names."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass
from typing import ClassVar

from pylb.config.kinds import PATH
from pylb.config.option import Group, option
from pylb.errors import StartError, UsageError
from pylb.process.supervision.pidfile import running


@dataclass(frozen=True, kw_only=True)
class Target(Group):
    """Which pylb is meant."""

    title: ClassVar = "Which pylb"

    pid_file: str | None = option(PATH, None, "The --pid-file that it was started with.")

    def check(self) -> None:
        """Refuse to guess.

        Raises:
            UsageError: no pid file is named.
        """
        if not self.pid_file:
            raise UsageError("expected --pid-file PATH: the file that the running pylb was started with")


def reload(target: Target) -> int:
    """Replace workers and control by new ones, with the code and options that are there now."""
    return _send(signal.SIGHUP, target)


def upgrade(target: Target) -> int:
    """Replace the whole program by what is on disk now."""
    return _send(signal.SIGUSR2, target)


def stop(target: Target) -> int:
    """Finish what runs, then end."""
    return _send(signal.SIGTERM, target)


def _send(number: signal.Signals, target: Target) -> int:
    pid = running(str(target.pid_file))
    try:
        os.kill(pid, number)
    except OSError as error:
        raise StartError(f"cannot send {number.name} to process {pid}: {error.strerror}") from None
    sys.stdout.write(f"sent {number.name} to pylb, process {pid}\n")
    return 0
