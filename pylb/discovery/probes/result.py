"""The outcome of one probe."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of one probe."""

    well: bool
    why: str = ""
    """The reason of a failure, as text: `GET /health: 503`, `Connection refused`."""
    unreachable: bool = False
    """Whether no connection could be opened."""
