"""The data that the demo shows, and the interface of a display."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from pylb.tools.demo.scoreboard import Summary


@dataclass(frozen=True, slots=True)
class Link:
    """A fixed line: a label, and an address or a command."""

    label: str
    text: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Frame:
    """All variable data at one time, except log messages."""

    summary: Summary
    registration_command: str = ""
    """The command that registers one more instance; empty while that instance is starting."""
    traffic: bool = False
    """Whether the demo itself sends requests."""
    processes: Mapping[str, int] = field(default_factory=dict)
    """Process ids by address."""


class Display(Protocol):
    """Shows the demo: on a terminal, or as plain lines."""

    @property
    def log_handler(self) -> logging.Handler:
        """The handler that shows log messages."""

    def open(self, links: Iterable[Link], press: Callable[[str], None]) -> AbstractContextManager[object]:
        """Open the display; the end of the context closes it.

        Args:
            links: the fixed lines.
            press: called with each key that is pressed, if the display has keys.
        """

    def show(self, frame: Frame) -> None:
        """Show a frame. Called several times a second."""


def clock(record: logging.LogRecord) -> str:
    """Return the local time of day at which a message was logged, in milliseconds."""
    return f"{datetime.fromtimestamp(record.created):%H:%M:%S}.{int(record.msecs):03}"
