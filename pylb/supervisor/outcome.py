"""The outcome file: the results of reloads and upgrades, for the commands that wait for them.

A signal has no response. Therefore the supervisor writes to a file next to the pid file how many reloads and
upgrades have begun and ended, and the result of the last one.
"""

from __future__ import annotations

import contextlib
import logging
import os
from dataclasses import dataclass, replace
from pathlib import Path

import orjson

log = logging.getLogger("pylb.supervisor")

SUFFIX = ".outcome"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one kind of procedure, `reload` or `upgrade`."""

    begun: int = 0
    """How many have begun."""
    ended: int = 0
    """How many of them have ended."""
    failed: bool = False
    """Whether the last one failed and changed nothing."""
    text: str = ""
    """Its result, or the reason of its failure."""


class OutcomeFile:
    """Written by the supervisor. A pylb without a pid file has none, and nothing is written.

    Args:
        pid_file: the path of the pid file.
    """

    def __init__(self, pid_file: str | None) -> None:
        self._pid_file = pid_file
        self._path = Path(pid_file + SUFFIX) if pid_file else None

    def create(self) -> None:
        """Create the file. It keeps the outcomes of the pylb that this one replaces."""
        if self._pid_file:
            self._write(read(self._pid_file) or {})

    def begin(self, name: str) -> None:
        """Record that a procedure has begun."""
        if self._pid_file:
            outcomes = read(self._pid_file) or {}
            former = outcomes.get(name, Outcome())
            self._write({**outcomes, name: replace(former, begun=former.begun + 1)})

    def end(self, name: str, text: str, *, failed: bool = False) -> None:
        """Record the end of the last procedure that has begun."""
        if self._pid_file:
            outcomes = read(self._pid_file) or {}
            begun = outcomes.get(name, Outcome(begun=1)).begun
            self._write({**outcomes, name: Outcome(begun, begun, failed, text)})

    def remove(self) -> None:
        """Remove the file at the end."""
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._path.unlink()

    def _write(self, outcomes: dict[str, Outcome]) -> None:
        if self._path is None:
            return
        made = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            made.unlink(missing_ok=True)
            with open(made, "xb", opener=_private) as file:
                file.write(orjson.dumps(outcomes))
            made.replace(self._path)
        except OSError as error:
            log.warning(
                "cannot write %s: %s; pylb reload and pylb upgrade do not wait", self._path, error.strerror
            )
            self._path = None


def _private(path: str, flags: int) -> int:
    """Open a file for its owner only: an outcome quotes a refused option, which may be a secret."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def read(pid_file: str) -> dict[str, Outcome] | None:
    """Return the outcomes by the name of the procedure; None if the pylb of that pid file writes none."""
    try:
        descriptor = os.open(pid_file + SUFFIX, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            return {name: Outcome(**outcome) for name, outcome in orjson.loads(file.read()).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return None
