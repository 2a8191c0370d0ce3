"""Where pylb's own messages go."""

from __future__ import annotations

import faulthandler
import logging
import os
import sys
from contextlib import suppress

from pylb.printable import printable

TRACEBACK = "    | "
"""What each line of a traceback begins with, so that none can be mistaken for a message."""


class LineFormatter(logging.Formatter):
    """One line per message, whatever is in it: see `pylb.printable`.

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
    """One line per message, with time, level and where it comes from.

    Args:
        level: the least important that is written.
        process: which process it is, if there are several.
        bare: write the message alone.
    """
    where = f"{process} [{os.getpid()}] " if process else ""
    form = "%(message)s" if bare else f"%(asctime)s %(levelname)-7s {where}%(name)s: %(message)s"
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(form))
    logging.basicConfig(level=level.upper(), handlers=[handler])


def trace_fatal_signals() -> None:
    """If a fatal signal ends this process, write to standard error where it was; if there is one."""
    with suppress(RuntimeError, ValueError, OSError):
        faulthandler.enable()


def set_log_level(level: str) -> None:
    """From now on, say more or less."""
    log = logging.getLogger("pylb")
    if logging.getLevelName(log.getEffectiveLevel()) != level.upper():
        log.setLevel(level.upper())
        log.info("log level is %s", level)
