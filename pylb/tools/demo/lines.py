"""The demo as plain lines, for output that is not a terminal: log messages, and counts when they change."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from time import monotonic

from pylb.printable import printable
from pylb.tools.demo.display import Frame, Link, clock

PAUSE = 1.0
"""Minimum time between two lines of counts, in seconds."""


class Lines:
    """A display that writes to standard output. If the reader closes the pipe, the process ends."""

    def __init__(self) -> None:
        self.log_handler = _Handler()
        self._command = ""
        self._requests = 0
        self._counted = 0.0

    def open(self, links: Iterable[Link], press: Callable[[str], None]) -> AbstractContextManager[object]:  # noqa: ARG002
        """Write the links. This display has no keys."""
        for link in links:
            write(f"{link.label:<10}{link.text}" + (f"  ({link.note})" if link.note else ""))
        write(f"{'Quit':<10}Ctrl-C")
        return nullcontext()

    def show(self, frame: Frame) -> None:
        """Write the registration command and the counts if they have changed."""
        if frame.registration_command and frame.registration_command != self._command:
            self._command = frame.registration_command
            write(f"{'Add':<10}{frame.registration_command}".replace("\n", " "))
        requests = frame.summary.requests
        if requests != self._requests and monotonic() >= self._counted + PAUSE:
            self._requests, self._counted = requests, monotonic()
            shares = ", ".join(f"{row.name} {row.requests}" for row in frame.summary.rows)
            write(f"{requests} requests, {frame.summary.errors} failed: {shares}")


class _Handler(logging.Handler):
    """Writes each message with its time in one line."""

    def emit(self, record: logging.LogRecord) -> None:
        write(f"{clock(record)} {record.getMessage()}")


def write(line: str) -> None:
    """Write a line and flush it."""
    try:
        sys.stdout.write(printable(line) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        signal.raise_signal(signal.SIGTERM)
