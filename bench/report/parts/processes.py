"""What became of requests while processes came and went, and what a second worker costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.report.part import Part, table

MARKS = {None: "", True: "✓", False: "**✗**"}


def part(result: Mapping[str, Any]) -> Part:
    """From what `bench.failure.processes` wrote: what it says itself, with the bounds that it goes by."""
    made = Part()
    made.add(
        table(["", "", "holds"], ([name, figure, MARKS[holds]] for name, figure, holds in result["verdict"]))
    )
    return made
