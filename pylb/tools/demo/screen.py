"""The demo as a full-screen terminal display."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pylb import __version__
from pylb.printable import printable
from pylb.tools.demo.display import Frame, Link, clock
from pylb.tools.demo.keyboard import keys
from pylb.tools.demo.scoreboard import Row, Summary

MESSAGES = 8
"""Number of log messages on the screen."""
BAR = 8
"""Columns of a bar for a share of 100 %."""

Message = tuple[str, str]
"""Time and text."""


class Screen:
    """A display that redraws only when something has changed, so that selected text stays selected.

    Args:
        console: the terminal.
    """

    def __init__(self, console: Console) -> None:
        self.log_handler = LogPanel()
        self._live = Live(console=console, screen=True, auto_refresh=False)
        self._links: tuple[Link, ...] = ()
        self._shown: object = None

    @contextmanager
    def open(self, links: Iterable[Link], press: Callable[[str], None]) -> Iterator[None]:
        """Switch to the alternate screen and read keys."""
        self._links = tuple(links)
        with self._live, keys(press):
            yield

    def show(self, frame: Frame) -> None:
        """Redraw if the frame or the messages have changed."""
        messages = tuple(self.log_handler.messages)
        if (frame, messages) != self._shown:
            self._shown = (frame, messages)
            self._live.update(render(self._links, frame, messages), refresh=True)


class LogPanel(logging.Handler):
    """Keeps the last messages of the log."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: deque[Message] = deque(maxlen=MESSAGES)

    def emit(self, record: logging.LogRecord) -> None:
        """Append a message, and drop the oldest one if there are too many."""
        self.messages.append((clock(record), record.getMessage()))


def render(links: Sequence[Link], frame: Frame, messages: Sequence[Message]) -> RenderableType:
    """Return the layout. A terminal with too few lines cuts off the oldest messages."""
    return Padding(
        Group(
            _keys(traffic=frame.traffic),
            "",
            _links(links),
            "",
            Text("To add an instance, press + or paste this into a shell", "dim"),
            Text(frame.registration_command or "(the next instance is starting)\n", "cyan"),
            "",
            _instances(frame),
            *(_one_line(f"{row.name}: {row.reason}", "yellow") for row in frame.summary.rows if row.reason),
            "",
            _totals(frame.summary),
            "",
            _messages(messages),
        ),
        (0, 1),
    )


def _links(links: Sequence[Link]) -> Table:
    grid = Table.grid(padding=(0, 2))
    for link in links:
        grid.add_row(Text(link.label, "dim"), Text(link.text, "bold cyan"), Text(link.note, "yellow"))
    return grid


def _instances(frame: Frame) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("Instance", no_wrap=True)
    table.add_column("Address", no_wrap=True)
    table.add_column("PID", no_wrap=True, justify="right")
    table.add_column("State", no_wrap=True)
    table.add_column("Requests", no_wrap=True, justify="right")
    table.add_column("In flight", no_wrap=True, justify="right")
    table.add_column("Share", no_wrap=True)
    for row in frame.summary.rows:
        table.add_row(
            Text(printable(row.name), "bold"),
            Text(printable(row.address)),
            str(frame.processes.get(row.address, "")),
            Text(row.state, "green" if row.up else "yellow"),
            f"{row.requests:,}",
            str(row.in_flight),
            _share(row),
        )
    return table


def _share(row: Row) -> RenderableType:
    if row.share is None:
        return ""
    grid = Table.grid(padding=(0, 1))
    grid.add_row(
        ProgressBar(total=1, completed=row.share, width=BAR, complete_style="green", finished_style="green"),
        f"{row.share:4.0%}",
    )
    return grid


def _totals(summary: Summary) -> Text:
    return Text.assemble(
        (f"{summary.requests:,}", "bold"),
        " requests, ",
        (f"{summary.rate:,.0f}", "bold"),
        " a second, ",
        (f"{summary.errors:,}", "bold red" if summary.errors else "bold green"),
        " failed",
        ("   (shares since the last change)", "dim"),
    )


def _messages(messages: Sequence[Message]) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, style="dim")
    for time, text in reversed(messages):
        grid.add_row(time, _one_line(text))
    return grid


def _one_line(text: str, style: str = "") -> Text:
    return Text(printable(text), style, no_wrap=True, overflow="ellipsis")


def _keys(*, traffic: bool) -> Text:
    meanings = {
        "+": "add one",
        "-": "remove one",
        "t": f"{'stop' if traffic else 'start'} traffic",
        "q": "quit",
    }
    text = Text.assemble((f"pylb {__version__}", "bold"))
    for key, meaning in meanings.items():
        text.append("    ").append(f" {key} ", "reverse").append(f" {meaning}")
    return text
