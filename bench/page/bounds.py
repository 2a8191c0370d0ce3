"""What pylb is meant to reach next to its rivals, and whether it did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.page.part import table
from bench.page.parts.hotpath import ratio, rounds_of
from bench.sample import Sample, summarize

MOST = {"nginx": 1.5, "envoy": 0.6, "traefik": 0.45}
"""CPU of a small request, as a multiple of a rival's."""
MARKS = {True: "✓", False: "**✗**"}


def bounds(results: Mapping[str, Mapping[str, Any]]) -> str:
    """A table of the bounds for which there are figures.

    Args:
        results: what the commands wrote, by measurement.
    """
    rows: list[Sequence[object]] = []
    if "requests" in results:
        samples = [Sample(**each) for each in results["requests"]["samples"]]
        rounds = rounds_of(samples, "small")
        for rival, most in MOST.items():
            if figure := ratio(rounds, "pylb", rival):
                what = f"CPU of a small request, at most {most:g} × that of {rival}"
                rows.append([what, f"{figure} ×", MARKS[figure.median <= most]])
        cost = {peer: each.cpu for peer, each in summarize(samples, "nginx").get("16m", {}).items()}
        if "pylb" in cost:
            place = sorted(cost.values()).index(cost["pylb"]) + 1
            rows.append(["CPU of 16 MiB, first or second of all", f"place {place}", MARKS[place <= 2]])
    return table(["", "", "holds"], rows)
