"""Formats numbers, times and external text for narrow columns."""

from __future__ import annotations

from datetime import datetime

from rich.text import Text

from pylb.printable import printable


def number(value: float | None) -> str:
    """A count or a rate, with about three digits."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"


def duration(seconds: float | None) -> str:
    """A duration in a suitable unit."""
    if seconds is None:
        return "–"
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 1:
        return f"{seconds * 1e3:.{1 if seconds < 0.01 else 0}f} ms"
    return f"{seconds:.{1 if seconds < 10 else 0}f} s"


def clock(epoch: float) -> str:
    """The local time of day."""
    return datetime.fromtimestamp(epoch).strftime("%H:%M:%S")


def plain(text: str, style: str = "") -> Text:
    """External text with control characters escaped and without rich's markup."""
    return Text(printable(text), style)
