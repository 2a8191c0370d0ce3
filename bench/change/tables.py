"""The figures as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median, quantiles

from rich import box
from rich.console import Console
from rich.table import Table

from bench.change.measure import Cost, Result

LEGEND = (
    "first: ms from a registration to the first request; last: from a deregistration to the last one. lost: "
    "changes that never reached the traffic. failed, closed: requests, client connections, per change. p99: "
    "of requests, ms; then: while instances come and go. CPU: ms per idle second, ms per change."
)


def show(results: Mapping[str, Result], console: Console) -> None:
    """Print times in milliseconds and what the clients lost."""
    table = Table(box=box.SIMPLE_HEAD, caption=LEGEND, caption_justify="left", padding=(0, 0, 0, 1))
    table.add_column("proxy", no_wrap=True)
    times = ("first: median", "p99", "max", "last: median", "p99", "max")
    for heading in (*times, "lost", "failed", "closed", "requests/s", "p99", "then", "CPU: idle", "change"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, result in results.items():
        changes, load = result.changes, result.load
        table.add_row(
            f"{name} {result.version}",
            *_times(changes.appeared),
            *_times(changes.vanished),
            f"{changes.lost:,}",
            *(f"{count / changes.count:.2f}" for count in (load.errors, changes.closed)),
            f"{load.rate:,.0f}",
            *(f"{p99:.1f}" for p99 in (result.before.p99, load.p99)),
            *_cost(result.cost),
            style="bold" if name == "pylb" else None,
        )
    console.print(table)


def show_propagation(histograms: Mapping[str, Mapping[str, int]], console: Console) -> None:
    """Print what a proxy measured itself, a column per bucket that was hit."""
    hit = [bound for buckets in histograms.values() for bound, count in buckets.items() if count]
    bounds = [bound for bound in next(iter(histograms.values())) if bound in hit]
    table = Table(
        box=box.SIMPLE_HEAD, caption="changes by the time since Consul's answer", caption_justify="left"
    )
    table.add_column("from Consul's answer until", no_wrap=True)
    for bound in bounds:
        table.add_column("more" if bound == "+Inf" else f"≤ {float(bound) * 1e3:g} ms", justify="right")
    for meaning, buckets in histograms.items():
        table.add_row(meaning, *(f"{buckets[bound]:,}" for bound in bounds))
    console.print(table)


def _times(seconds: Sequence[float]) -> tuple[str, str, str]:
    """Median, p99 and maximum in milliseconds; nothing where there is nothing."""
    if len(seconds) < 2:
        return ("", "", "")
    figures = (median(seconds), quantiles(seconds, n=100, method="inclusive")[-1], max(seconds))
    first, second, third = (f"{1e3 * figure:,.1f}" for figure in figures)
    return first, second, third


def _cost(cost: Cost | None) -> tuple[str, str]:
    """Milliseconds of CPU: per idle second, and per change."""
    return (f"{1e3 * cost.idle / cost.seconds:.1f}", f"{1e3 * cost.each:.1f}") if cost else ("", "")
