"""Shortens lists of names for log lines and causes."""

from __future__ import annotations

from collections.abc import Sequence


def abbreviated(names: Sequence[str], *, most: int = 8, separator: str = ", ") -> str:
    """Return the first names and the number of the others: `web-1, web-2 and 9 more`.

    Args:
        names: all names.
        most: how many names are written.
        separator: the text between two names.
    """
    more = len(names) - most
    return separator.join(names[:most]) + (f" and {more} more" if more > 0 else "")
