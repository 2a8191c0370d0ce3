"""Whether the simulator tells the truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.page.part import Part, table


def part(result: Mapping[str, Any]) -> Part:
    """From what `bench.agreement` wrote."""
    made = Part()
    headings = ["policy", "mean ms, live", "simulated", "off", "p99 ms, live", "simulated", "off"]
    made.add(table([*headings, "noise ms"], map(_row, result["comparisons"])))
    return made


def _row(comparison: Mapping[str, Any]) -> list[str]:
    live, simulated = comparison["live"], comparison["simulated"]
    row = [comparison["policy"]]
    for kind in ("mean", "p99"):
        off = simulated[kind] / live[kind] - 1
        row += [f"{1e3 * live[kind]:.1f}", f"{1e3 * simulated[kind]:.1f}", f"{off:+.1%}"]
    return [*row, f"{1e3 * comparison['noise']:.1f}"]
