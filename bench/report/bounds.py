"""What pylb is meant to reach next to its rivals, and whether it did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

from bench.lib.sample import Sample, ratio, rounds_of, summarize
from bench.report.part import table
from bench.report.parts import change

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
            place = _place(cost)
            rows.append(["CPU of 16 MiB, first or second of all", f"place {place}", MARKS[place <= 2]])
    for measurement in ("change", "busy_change"):
        if measurement in results:
            rows += _changes(results[measurement])
    return table(["", "", "holds"], rows)


def _changes(result: Mapping[str, Any]) -> list[Sequence[object]]:
    """First in the time to traffic and in failures."""
    settings, peers = result["settings"], change.summaries(result)
    about = f"changes at {settings['rate']}/s, {settings['instances']} instances"
    times = {peer: each.first.median.median for peer, each in peers.items() if each.first}
    failures = {peer: each.failed.median + each.closed.median for peer, each in peers.items()}
    return [
        [f"{about}: {what}", f"place {place}", MARKS[place == 1]]
        for what, place in (
            ("first in the time to the traffic", _place(times)),
            ("first in failed requests and closed connections", _place(failures)),
        )
    ]


def _place(costs: Mapping[str, float]) -> int:
    """Pylb's place, from 1 on; those that are equal share it."""
    own = costs.get("pylb", inf)
    return 1 + sum(cost < own for cost in costs.values())
