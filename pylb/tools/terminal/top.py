"""`pylb top`: the dashboard in a terminal."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, ClassVar

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pylb.clients import admin
from pylb.config.kinds import FLAG
from pylb.config.option import option
from pylb.errors import StartError
from pylb.tools.terminal import history
from pylb.tools.terminal.options import Running
from pylb.tools.terminal.words import clock, duration, number, plain

PERIOD = 1.0
"""Seconds between two updates."""
CHANGES = 8
"""The number of recent changes to show."""
BARS = "▁▂▃▄▅▆▇█"
STYLES = {"up": "green", "out": "red", "ejected": "red"}
"""Styles of states; other states are yellow."""


@dataclass(frozen=True, kw_only=True)
class TopOptions(Running):
    """The options of `pylb top`."""

    title: ClassVar = "Top"
    prefix: ClassVar = "PYLB_TOP_"

    once: bool = option(FLAG, "off", "Print once and exit; the default if standard output is not a terminal.")


def run(options: TopOptions) -> int:
    """Show the state until interrupted.

    Raises:
        StartError: no pylb responds to the first query. Later queries are retried.
    """
    console = Console()
    picture = look(options)
    if options.once or not console.is_terminal:
        console.print(picture)
        return 0
    try:
        with Live(picture, console=console, screen=True, auto_refresh=False) as live:
            while True:
                time.sleep(PERIOD)
                try:
                    picture = look(options)
                except StartError as error:
                    picture = Group(plain(f"{error}; retrying", "red"), picture)
                live.update(picture, refresh=True)
    except KeyboardInterrupt:
        return 0


def look(options: TopOptions) -> RenderableType:
    """The current state, rendered."""
    state = admin.read(options.admin, "/api/state")
    entries = admin.read(options.admin, "/api/history")
    parts: list[RenderableType] = [
        Text.assemble(("pylb ", "bold"), plain(state["state"]), (f"  {clock(state['time'])}", "dim")),
        services(state),
        *(plain(f"{p['severity']}: {p['service']} {p['text']}", "red") for p in state["problems"]),
        Text(),
        backends(state),
        Text(),
        history.table(entries[-CHANGES:]),
    ]
    return Group(*parts)


def services(state: dict[str, Any]) -> Table:
    """One row per service."""
    made = _table(("Service",), ("Req/s", "Errors/s", "p50", "p99", "Generation", "Registry answered"))
    for each in state["services"]:
        age = each["age_seconds"]
        answered = "never" if age is None else f"{duration(age)} ago"
        made.add_row(plain(each["service"]), *_traffic(each["traffic"]), str(each["generation"]), answered)
    return made


def backends(state: dict[str, Any]) -> Table:
    """One row per instance."""
    made = _table(
        ("Instance", "Address", "State"), ("Weight", "In flight", "Req/s", "Errors/s", "p50", "p99")
    )
    made.add_column("Last 20 s", no_wrap=True)
    made.add_column("Why", style="dim")
    for each in sorted(state["backends"], key=lambda each: (each["service"], each["id"], each["address"])):
        made.add_row(
            plain(each["id"]),
            plain(each["address"]),
            plain(each["state"], STYLES.get(each["state"], "yellow")),
            number(each["weight"]),
            number(each["in_flight"]),
            *_traffic(each["traffic"]),
            bars(each["requests"][-20:]),
            plain(each["why"]),
        )
    return made


def bars(values: list[float]) -> str:
    """One bar per value, scaled to the largest value."""
    most = max(values, default=0) or 1
    return "".join(BARS[int(value / most * (len(BARS) - 1))] for value in values)


def _table(left: tuple[str, ...], right: tuple[str, ...]) -> Table:
    made = Table(box=None, pad_edge=False, header_style="dim")
    for name in left:
        made.add_column(name, no_wrap=True)
    for name in right:
        made.add_column(name, justify="right", no_wrap=True)
    return made


def _traffic(sample: dict[str, Any] | None) -> tuple[str, ...]:
    if sample is None:
        return ("–",) * 4
    rates = (number(sample["requests"]), number(sample["errors"]))
    return *rates, duration(sample["p50"]), duration(sample["p99"])
