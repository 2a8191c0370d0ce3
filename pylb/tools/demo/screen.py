"""The demo on a whole terminal."""

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
from pylb.tools.demo.display import Moment, Sign, clock
from pylb.tools.demo.keyboard import keys
from pylb.tools.demo.scoreboard import Row, Standing

NEWS = 8
"""Messages that stay on the screen."""
BAR = 8
"""Columns of a bar that stands for all requests."""

Message = tuple[str, str]
"""Time and text."""


class Screen:
    """Drawn anew when something has changed, and at no other time, so that selected text stays selected.

    Args:
        console: the terminal.
    """

    def __init__(self, console: Console) -> None:
        self.news = News()
        self._live = Live(console=console, screen=True, auto_refresh=False)
        self._signs: tuple[Sign, ...] = ()
        self._shown: object = None

    @contextmanager
    def open(self, signs: Iterable[Sign], press: Callable[[str], None]) -> Iterator[None]:
        """Take over the terminal and its keys."""
        self._signs = tuple(signs)
        with self._live, keys(press):
            yield

    def show(self, moment: Moment) -> None:
        """Draw, if it looks different."""
        messages = tuple(self.news.messages)
        if (moment, messages) != self._shown:
            self._shown = (moment, messages)
            self._live.update(render(self._signs, moment, messages), refresh=True)


class News(logging.Handler):
    """Keeps the last messages of the log."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: deque[Message] = deque(maxlen=NEWS)

    def emit(self, record: logging.LogRecord) -> None:
        """Take a message; it may push out the oldest one."""
        self.messages.append((clock(record), record.getMessage()))


def render(signs: Sequence[Sign], moment: Moment, messages: Sequence[Message]) -> RenderableType:
    """Lay everything out; what a low terminal cuts off is the oldest messages."""
    return Padding(
        Group(
            _keys(traffic=moment.traffic),
            "",
            _signs(signs),
            "",
            Text("One more instance, by hand: paste this into a shell, or press +", "dim"),
            Text(moment.by_hand or "(the next one is starting)\n", "cyan"),
            "",
            _instances(moment),
            *(_one_line(f"{row.name}: {row.reason}", "yellow") for row in moment.standing.rows if row.reason),
            "",
            _sums(moment.standing),
            "",
            _news(messages),
        ),
        (0, 1),
    )


def _signs(signs: Sequence[Sign]) -> Table:
    grid = Table.grid(padding=(0, 2))
    for sign in signs:
        grid.add_row(Text(sign.label, "dim"), Text(sign.text, "bold cyan"), Text(sign.note, "yellow"))
    return grid


def _instances(moment: Moment) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("Instance", no_wrap=True)
    table.add_column("Address", no_wrap=True)
    table.add_column("PID", no_wrap=True, justify="right")
    table.add_column("State", no_wrap=True)
    table.add_column("Requests", no_wrap=True, justify="right")
    table.add_column("In flight", no_wrap=True, justify="right")
    table.add_column("Share", no_wrap=True)
    for row in moment.standing.rows:
        table.add_row(
            Text(printable(row.name), "bold"),
            Text(printable(row.address)),
            str(moment.processes.get(row.address, "")),
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


def _sums(standing: Standing) -> Text:
    return Text.assemble(
        (f"{standing.requests:,}", "bold"),
        " requests, ",
        (f"{standing.rate:,.0f}", "bold"),
        " a second, ",
        (f"{standing.errors:,}", "bold red" if standing.errors else "bold green"),
        " failed",
        ("   (shares count from the last change)", "dim"),
    )


def _news(messages: Sequence[Message]) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, style="dim")
    for time, text in reversed(messages):
        grid.add_row(time, _one_line(text))
    return grid


def _one_line(text: str, style: str = "") -> Text:
    return Text(printable(text), style, no_wrap=True, overflow="ellipsis")


def _keys(*, traffic: bool) -> Text:
    meanings = {"+": "one more", "-": "one less", "t": f"traffic {'off' if traffic else 'on'}", "q": "end"}
    text = Text.assemble((f"pylb {__version__}", "bold"))
    for key, meaning in meanings.items():
        text.append("    ").append(f" {key} ", "reverse").append(f" {meaning}")
    return text
