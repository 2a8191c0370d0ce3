"""The cost of observability."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.hotpath.observe import DEFAULT
from bench.lib.figure import Figure
from bench.lib.sample import Sample
from bench.report.part import Part, table


def part(result: Mapping[str, Any]) -> Part:
    """The part of the figures that `bench.hotpath.observe` wrote."""
    rounds: dict[str, dict[int, float]] = {}
    for sample in (Sample(**each) for each in result["samples"]):
        rounds.setdefault(sample.peer, {})[sample.round] = sample.cpu
    default = rounds.get(DEFAULT, {})
    rows = []
    for name, about in result["variants"].items():
        own = rounds[name]
        more = Figure.of(cpu - default[number] for number, cpu in own.items() if number in default)
        rows.append([about, Figure.of(own.values()), "" if name == DEFAULT else more])
    made = Part()
    made.add(table(["", "CPU µs per request", "difference to the defaults in the same round"], rows))
    return made
