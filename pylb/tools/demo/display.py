"""What there is to show of the demo, whatever it is shown on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from pylb.tools.demo.scoreboard import Standing


@dataclass(frozen=True, slots=True)
class Sign:
    """Where to find something."""

    label: str
    text: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Moment:
    """All that can change, but for the news."""

    standing: Standing
    by_hand: str = ""
    """The command that registers one more instance; empty while that instance is starting."""
    traffic: bool = False
    """Whether the demo sends requests itself."""
    processes: Mapping[str, int] = field(default_factory=dict)
    """Process ids by address."""


class Display(Protocol):
    """Something to show the demo on."""

    @property
    def news(self) -> logging.Handler:
        """Takes the messages of the log."""

    def open(self, signs: Iterable[Sign], press: Callable[[str], None]) -> AbstractContextManager[object]:
        """Begin; the end of the context is the end of the display.

        Args:
            signs: what never changes.
            press: takes the keys that are pressed, if there are keys.
        """

    def show(self, moment: Moment) -> None:
        """Show this from now on. It is called several times a second."""


def clock(record: logging.LogRecord) -> str:
    """When a message was logged, by the local time of day, to the millisecond."""
    return f"{datetime.fromtimestamp(record.created):%H:%M:%S}.{int(record.msecs):03}"
