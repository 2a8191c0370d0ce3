"""`pylb history`: every change of a pool, its cause, and how long it took to reach requests."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pylb.clients import admin
from pylb.config.kinds import integer, text
from pylb.config.option import option
from pylb.printable import printable
from pylb.tools.terminal.options import Running
from pylb.tools.terminal.words import clock, duration, plain


@dataclass(frozen=True, kw_only=True)
class HistoryOptions(Running):
    """The options of `pylb history`."""

    title: ClassVar = "History"
    prefix: ClassVar = "PYLB_HISTORY_"

    service: str | None = option(
        text("NAME", "a service"),
        None,
        "Show only changes of this service. By default all services are shown.",
    )
    last: int = option(integer(1, 1000), "30", "The number of changes to show.")


def run(options: HistoryOptions) -> int:
    """Print the last changes, newest last.

    Raises:
        StartError: no pylb responds.
    """
    entries = admin.read(options.admin, "/api/history", service=options.service or "")
    Console().print(table(entries[-options.last :]))
    return 0


def table(entries: Iterable[dict[str, Any]]) -> Table:
    """A table with one row per change."""
    made = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("Time", "Service", "Change", "Cause"):
        made.add_column(name)
    for name in ("Up", "Applied", "First request"):
        made.add_column(name, justify="right", no_wrap=True)
    for entry in entries:
        retained = f" (retained: {entry['untrusted_reason']})" if entry["untrusted_reason"] else ""
        made.add_row(
            clock(entry["time"]),
            plain(entry["service"]),
            difference(entry),
            plain(entry["cause"] + retained),
            str(entry["instances"]),
            duration(entry["applied"]),
            duration(entry["routed"]),
        )
    return made


def difference(entry: dict[str, Any]) -> Text:
    """The added, changed and removed backends."""
    words = Text()
    marked = (("added", "+", "green"), ("changed", "~", "yellow"), ("removed", "-", "red"))
    for field, mark, style in marked:
        for name in entry[field]:
            words.append(f"{' ' if words else ''}{mark}{printable(name)}", style)
    return words
