"""The setup of logging: one line per message on standard error."""

from __future__ import annotations

import faulthandler
import logging
import os
import sys
from contextlib import suppress

from pylb.printable import printable

TRACEBACK = "    | "
"""The prefix of each line of a traceback, which distinguishes it from a message."""


class LineFormatter(logging.Formatter):
    """Formats each message as one line, whatever it contains: see `pylb.printable`.

    It formats the records of all loggers, those of libraries included. Only a traceback has several lines;
    they are indented, and escaped one by one.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """See `logging.Formatter`."""
        return printable(super().formatMessage(record))

    def formatException(self, ei: logging._SysExcInfoType) -> str:  # noqa: N802
        """See `logging.Formatter`."""
        return _indented(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802
        """See `logging.Formatter`."""
        return _indented(super().formatStack(stack_info))


def _indented(text: str) -> str:
    return "\n".join(TRACEBACK + printable(line) for line in text.split("\n"))


def log_to_stderr(level: str, process: str = "", *, bare: bool = False) -> None:
    """Log to standard error: one line per message with time, level and logger.

    Args:
        level: the minimum severity.
        process: the name of this process, if there are several.
        bare: write the message only.
    """
    where = f"{process} [{os.getpid()}] " if process else ""
    form = "%(message)s" if bare else f"%(asctime)s %(levelname)-7s {where}%(name)s: %(message)s"
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(form))
    logging.basicConfig(level=level.upper(), handlers=[handler])


def trace_fatal_signals() -> None:
    """Write a stack trace to standard error, if it is open, when a fatal signal ends this process."""
    with suppress(RuntimeError, ValueError, OSError):
        faulthandler.enable()


def set_log_level(level: str) -> None:
    """Change the minimum severity of log messages."""
    log = logging.getLogger("pylb")
    if logging.getLevelName(log.getEffectiveLevel()) != level.upper():
        log.setLevel(level.upper())
        log.info("log level is %s", level)
