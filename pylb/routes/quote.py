"""Quotes text of others in problems: visible characters, and not too many of them."""

from __future__ import annotations

from pylb.printable import printable

MAX_QUOTED = 80
"""Characters of a text that are quoted. A tag may be long, and is shown in the log and on the dashboard."""


def quoted(text: str) -> str:
    """Return a text in quotes, shortened."""
    shown = printable(text[: MAX_QUOTED + 1])
    return repr(shown if len(shown) <= MAX_QUOTED else f"{shown[:MAX_QUOTED]}...")
