"""How fast changes are, and what they cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from statistics import quantiles
from typing import Any

from bench.figure import Comparison, Figure, number
from bench.page.part import Part, folded, table
from bench.page.plot import bars

MS = 1e3


def part(result: Mapping[str, Any]) -> Part:
    """From what `bench.change` wrote, with changes at a rate."""
    made, results, settings = Part(), result["results"], result["settings"]
    about = f"changes at {settings['rate']}/s, {settings['instances']} instances"
    first, last = _times(results, "appeared"), _times(results, "vanished")
    made.comparisons = [
        Comparison(f"{about}: registration to first request, ms", first),
        Comparison(f"{about}: deregistration to last request, ms", last),
        *(
            Comparison(f"{about}: {what}", {peer: Figure.of([of(each)]) for peer, each in results.items()})
            for what, of in (
                ("changes that never reached the traffic", lambda each: each["changes"]["lost"]),
                ("failed requests per change", failed),
                ("closed connections per change", closed),
                ("p99 of requests, ms", lambda each: each["load"]["p99"]),
                ("CPU per change, ms", lambda each: each["cpu_per_change"] * MS),
            )
        ),
    ]
    headings = ["", "first request, ms", "p99", "longest", "last request, ms", "p99", "longest", "never"]
    headings += ["failed per change", "closed per change", "p99 of requests, ms", "without changes"]
    rows = [
        [
            peer,
            *_columns(first.get(peer), each["changes"]["appeared"]),
            *_columns(last.get(peer), each["changes"]["vanished"]),
            f"{each['changes']['lost']} of {each['changes']['count']}",
            *map(number, (failed(each), closed(each), each["load"]["p99"], each["before"]["p99"])),
            number(each["cpu_per_change"] * MS),
        ]
        for peer, each in results.items()
    ]
    made.add(table([*headings, "CPU ms per change"], rows))
    made.draw(
        f"change-{settings['rate']}-{settings['instances']}",
        f"Time from a registration to the first request by proxy, {about}",
        partial(bars, first, f"ms from a registration to the first request, {about}", logarithmic=True),
    )
    for peer, each in results.items():
        if each["propagation"]:
            made.add(folded(f"What {peer} measured itself", _propagation(each["propagation"])))
    return made


def failed(result: Mapping[str, Any]) -> float:
    """Requests that failed, per change."""
    load = result["load"]
    return float((load["refused"] + load["broken"] + load["late"]) / result["changes"]["count"])


def closed(result: Mapping[str, Any]) -> float:
    """Client connections that were closed, per change."""
    return float(result["changes"]["closed"] / result["changes"]["count"])


def _times(results: Mapping[str, Any], kind: str) -> dict[str, Figure]:
    """Medians in milliseconds, and the quartiles as their range, of those that made enough changes."""
    figures = {}
    for peer, each in results.items():
        times = [MS * seconds for seconds in each["changes"][kind]]
        if len(times) > 1:
            low, median, high = quantiles(times, n=4, method="inclusive")
            figures[peer] = Figure(median, low, high)
    return figures


def _columns(figure: Figure | None, times: Sequence[float]) -> list[object]:
    """The median, p99 and maximum, in milliseconds."""
    if figure is None:
        return ["", "", ""]
    p99 = quantiles(times, n=100, method="inclusive")[-1]
    return [figure, number(MS * p99), number(MS * max(times))]


def _propagation(histograms: Mapping[str, Mapping[str, int]]) -> str:
    """Changes by the time that they took, a column per bucket that was hit."""
    bounds = [
        bound
        for bound in next(iter(histograms.values()))
        if any(buckets[bound] for buckets in histograms.values())
    ]
    shown = ["more" if bound == "+Inf" else f"≤ {float(bound) * MS:g} ms" for bound in bounds]
    rows = [
        [meaning, *(f"{buckets[bound]:,}" for bound in bounds)] for meaning, buckets in histograms.items()
    ]
    return table(["changes by the time from Consul's answer until", *shown], rows)
