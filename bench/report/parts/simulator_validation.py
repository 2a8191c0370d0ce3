"""The accuracy of the simulator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.balance.simulator_validation import HEADINGS, Comparison
from bench.report.part import Part, table


def part(result: Mapping[str, Any]) -> Part:
    """The part of the figures that `bench.balance.simulator_validation` wrote."""
    made = Part()
    made.add(table(HEADINGS, (Comparison.read(each).cells() for each in result["comparisons"])))
    return made
