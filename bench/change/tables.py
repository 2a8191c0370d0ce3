"""The tables that the command prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from bench.change.measure import Result
from bench.change.summary import Summary

TIMES = ("first: median", "p99", "longest", "last: median", "p99", "longest", "never")
TIMES_LEGEND = (
    "first: ms from registration to the first request; last: ms from deregistration to the last request. "
    "never: changes that did not reach the traffic, over all rounds. All other figures are medians of the "
    "rounds; ±: half the distance between the lowest and the highest round."
)
COSTS = ("failed", "closed", "requests/s", "p99", "p99 with changes", "CPU: idle", "change")
COSTS_LEGEND = (
    "failed: requests per change. closed: client connections per change. p99: ms, without and with changes. "
    "CPU: ms per idle second, ms per change."
)


def show(results: Mapping[str, Sequence[Result]], console: Console) -> None:
    """Print the times, the cost to the clients, and the histograms of the proxies."""
    times, costs = _table(TIMES, TIMES_LEGEND), _table(COSTS, COSTS_LEGEND)
    summaries = {name: Summary.of(rounds) for name, rounds in results.items()}
    for name, each in summaries.items():
        proxy, style = f"{name} {results[name][0].version}", "bold" if name == "pylb" else None
        both = (*(each.first or [""] * 3), *(each.last or [""] * 3), each.never)
        times.add_row(proxy, *map(str, both), style=style)
        lost = (each.failed, each.closed, each.rate, each.before, each.p99, each.idle or "", each.cost or "")
        costs.add_row(proxy, *map(str, lost), style=style)
    console.print(times)
    console.print(costs)
    for each in summaries.values():
        if each.propagation:
            _show_propagation(each.propagation, console)


def _table(headings: Sequence[str], legend: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, caption=legend, caption_justify="left", padding=(0, 0, 0, 1))
    table.add_column("proxy", no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _show_propagation(histograms: Mapping[str, Mapping[str, int]], console: Console) -> None:
    """Print the histograms of one proxy, with one column per bucket that is not empty."""
    hit = [bound for buckets in histograms.values() for bound, count in buckets.items() if count]
    bounds = [bound for bound in next(iter(histograms.values())) if bound in hit]
    table = Table(
        box=box.SIMPLE_HEAD,
        caption="number of changes by time since Consul's response",
        caption_justify="left",
    )
    table.add_column("from Consul's response until", no_wrap=True)
    for bound in bounds:
        table.add_column("more" if bound == "+Inf" else f"≤ {float(bound) * 1e3:g} ms", justify="right")
    for meaning, buckets in histograms.items():
        table.add_row(meaning, *(f"{buckets[bound]:,}" for bound in bounds))
    console.print(table)
