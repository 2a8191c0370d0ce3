"""The targets of pylb relative to other proxies, and whether the figures meet them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

from bench.lib.sample import Sample, ratio, rounds_of, summarize
from bench.report.part import table
from bench.report.parts import change

MAX_RATIOS = {"nginx": 1.5, "envoy": 0.6, "traefik": 0.45}
"""Highest CPU time of a small request, relative to each rival."""
MARKS = {True: "✓", False: "**✗**"}


def bounds(results: Mapping[str, Mapping[str, Any]]) -> str:
    """A table of the bounds for which figures exist.

    Args:
        results: the raw figures by measurement.
    """
    rows: list[Sequence[object]] = []
    if "requests" in results:
        samples = [Sample(**each) for each in results["requests"]["samples"]]
        rounds = rounds_of(samples, "small")
        for rival, most in MAX_RATIOS.items():
            if figure := ratio(rounds, "pylb", rival):
                what = f"CPU of a small request, at most {most:g} × {rival}"
                rows.append([what, f"{figure} ×", MARKS[figure.median <= most]])
        cost = {peer: each.cpu for peer, each in summarize(samples, "nginx").get("16m", {}).items()}
        if "pylb" in cost:
            rank = _rank(cost)
            rows.append(["CPU of a 16 MiB response: rank 1 or 2 of all", f"rank {rank}", MARKS[rank <= 2]])
    for measurement in ("change", "busy_change"):
        if measurement in results:
            rows += _changes(results[measurement])
    return table(["", "", "met"], rows)


def _changes(result: Mapping[str, Any]) -> list[Sequence[object]]:
    """The bounds of changes: the time to the traffic, and failures."""
    settings, peers = result["settings"], change.summaries(result)
    about = f"changes at {settings['rate']}/s, {settings['instances']} instances"
    times = {peer: each.first.median.median for peer, each in peers.items() if each.first}
    failures = {peer: each.failed.median + each.closed.median for peer, each in peers.items()}
    return [
        [f"{about}: {what}", f"rank {rank}", MARKS[rank == 1]]
        for what, rank in (
            ("rank 1 in the time to the traffic", _rank(times)),
            ("rank 1 in failed requests and closed connections", _rank(failures)),
        )
    ]


def _rank(costs: Mapping[str, float]) -> int:
    """The rank of pylb, from 1; equal figures share a rank."""
    own = costs.get("pylb", inf)
    return 1 + sum(cost < own for cost in costs.values())
