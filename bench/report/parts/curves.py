"""The growth of the CPU time per request: a picture and a table per curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from bench.lib.figure import Comparison, Figure
from bench.report.part import Part, table
from bench.report.plot import curves

UNIT = "CPU µs per request"


def part(result: Mapping[str, Any]) -> Part:
    """The part of the figures that `bench.hotpath.curves` wrote."""
    made = Part()
    for name, along in result["along"].items():
        points = {
            point["place"]: _figures(point["samples"])
            for point in result["points"]
            if point["curve"] == name and point["samples"]
        }
        peers = dict.fromkeys(peer for figures in points.values() for peer in figures)
        lines = {
            peer: {place: figures[peer] for place, figures in points.items() if peer in figures}
            for peer in peers
        }
        made.add(f"**By {along}**")
        made.draw(f"by-{name}", f"CPU per request by {along}", partial(curves, lines, along, UNIT))
        rows = [[peer, *(line.get(place, "") for place in points)] for peer, line in lines.items()]
        made.add(table([UNIT, *(f"{place:,}" for place in points)], rows))
        made.comparisons += [
            Comparison(f"{name} = {place:,}: CPU, µs", figures) for place, figures in points.items()
        ]
    return made


def _figures(samples: Sequence[Mapping[str, Any]]) -> dict[str, Figure]:
    """The figure of each proxy."""
    peers = dict.fromkeys(sample["peer"] for sample in samples)
    return {
        peer: Figure.of(each["user"] + each["system"] for each in samples if each["peer"] == peer)
        for peer in peers
    }
