"""The demo as plain lines, where there is no terminal: the news, and counts when they have changed."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from time import monotonic

from pylb.printable import printable
from pylb.tools.demo.display import Moment, Sign, clock

PAUSE = 1.0
"""Seconds between two lines of counts."""


class Lines:
    """Writes to standard output. When nobody reads it any more, the process is asked to end."""

    def __init__(self) -> None:
        self.news = _Handler()
        self._by_hand = ""
        self._requests = 0
        self._counted = 0.0

    def open(self, signs: Iterable[Sign], press: Callable[[str], None]) -> AbstractContextManager[object]:  # noqa: ARG002
        """Write the signs; there are no keys."""
        for sign in signs:
            write(f"{sign.label:<10}{sign.text}" + (f"  ({sign.note})" if sign.note else ""))
        write(f"{'End':<10}Ctrl-C")
        return nullcontext()

    def show(self, moment: Moment) -> None:
        """Write what is new."""
        if moment.by_hand and moment.by_hand != self._by_hand:
            self._by_hand = moment.by_hand
            write(f"{'One more':<10}{moment.by_hand}".replace("\n", " "))
        requests = moment.standing.requests
        if requests != self._requests and monotonic() >= self._counted + PAUSE:
            self._requests, self._counted = requests, monotonic()
            shares = ", ".join(f"{row.name} {row.requests}" for row in moment.standing.rows)
            write(f"{requests} requests, {moment.standing.errors} failed: {shares}")


class _Handler(logging.Handler):
    """Writes each message with its time, in one line."""

    def emit(self, record: logging.LogRecord) -> None:
        write(f"{clock(record)} {record.getMessage()}")


def write(line: str) -> None:
    """Write a line at once."""
    try:
        sys.stdout.write(printable(line) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        signal.raise_signal(signal.SIGTERM)
