"""All figures in which pylb is worse than another proxy, selected from the figures by a fixed rule."""

from __future__ import annotations

from collections.abc import Iterable

from bench.lib.figure import Comparison
from bench.report.part import words

SUBJECT = "pylb"


def regressions(comparisons: Iterable[Comparison]) -> str:
    """A table of all figures in which another proxy is better by more than the spread of both."""
    rows = []
    for comparison in comparisons:
        better = comparison.better_than(SUBJECT)
        if better:
            rivals = ", ".join(f"{name} {figure}" for name, figure in better.items())
            rows.append([comparison.what, str(comparison.figures[SUBJECT]), rivals])
    return words(["", SUBJECT, "better"], rows) if rows else "None in these figures."
