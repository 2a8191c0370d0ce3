"""The effect of replaced and killed processes, and the cost of a second worker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.report.part import Part, table

MARKS = {None: "", True: "✓", False: "**✗**"}


def part(result: Mapping[str, Any]) -> Part:
    """The part of the figures that `bench.failure.processes` wrote: its verdict."""
    made = Part()
    made.add(
        table(["", "", "holds"], ([name, figure, MARKS[holds]] for name, figure, holds in result["verdict"]))
    )
    return made
