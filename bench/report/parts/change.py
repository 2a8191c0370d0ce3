"""The speed and the cost of changes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from bench.change.measure import Result
from bench.change.summary import MS, Summary
from bench.lib.figure import Comparison
from bench.report.part import Part, folded, table
from bench.report.plot import bars


def part(result: Mapping[str, Any]) -> Part:
    """The part of the figures that `bench.change` wrote with `--rate`."""
    made, settings, peers = Part(), result["settings"], summaries(result)
    about = f"changes at {settings['rate']}/s, {settings['instances']} instances"
    first = {peer: each.first.median for peer, each in peers.items() if each.first}
    last = {peer: each.last.median for peer, each in peers.items() if each.last}
    made.comparisons = [
        Comparison(f"{about}: {what}", figures)
        for what, figures in (
            ("registration to first request, ms", first),
            ("deregistration to last request, ms", last),
            ("changes that never reached the traffic", {peer: each.lost for peer, each in peers.items()}),
            ("failed requests per change", {peer: each.failed for peer, each in peers.items()}),
            ("closed connections per change", {peer: each.closed for peer, each in peers.items()}),
            ("p99 of requests, ms", {peer: each.p99 for peer, each in peers.items()}),
            ("CPU per change, ms", {peer: each.cost for peer, each in peers.items() if each.cost}),
        )
    ]
    headings = ["", "first request, ms", "p99", "longest", "last request, ms", "p99", "longest", "never"]
    headings += ["failed per change", "closed per change", "p99 of requests, ms", "without changes"]
    rows = [
        [
            peer,
            *(each.first or [""] * 3),
            *(each.last or [""] * 3),
            *(each.never, each.failed, each.closed, each.p99, each.before, each.cost or ""),
        ]
        for peer, each in peers.items()
    ]
    made.add(table([*headings, "CPU ms per change"], rows))
    made.draw(
        f"change-{settings['rate']}-{settings['instances']}",
        f"Time from registration to the first request by proxy, {about}",
        partial(bars, first, f"ms from registration to the first request, {about}", logarithmic=True),
    )
    for peer, each in peers.items():
        if each.propagation:
            made.add(folded(f"Times measured by {peer} itself", _propagation(each.propagation)))
    return made


def summaries(result: Mapping[str, Any]) -> dict[str, Summary]:
    """The summary of each proxy."""
    return {
        peer: Summary.of([Result.read(each) for each in rounds]) for peer, rounds in result["results"].items()
    }


def _propagation(histograms: Mapping[str, Mapping[str, int]]) -> str:
    """Changes by their duration, with one column per bucket that is not empty."""
    bounds = [
        bound
        for bound in next(iter(histograms.values()))
        if any(buckets[bound] for buckets in histograms.values())
    ]
    shown = ["more" if bound == "+Inf" else f"≤ {float(bound) * MS:g} ms" for bound in bounds]
    rows = [
        [meaning, *(f"{buckets[bound]:,}" for bound in bounds)] for meaning, buckets in histograms.items()
    ]
    return table(["number of changes by time from Consul's response until", *shown], rows)
