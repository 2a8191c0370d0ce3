"""Formats outcomes: one line of conditions, and one table with a row per policy."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import fmean

from rich.table import Table

from pylb.tools.simulate.options import SimulateOptions
from pylb.tools.simulate.outcome import Outcome
from pylb.tools.simulate.workload import Workload

COLUMNS = (
    *("mean", "p50", "p99", "p99.9", "max", "failed", "retries"),
    *("busiest", "fullest", "opened", "kept"),
)
LEGEND = (
    "Times in ms. busiest: requests of the busiest instance relative to the mean. fullest: maximum of "
    "requests in flight on one instance. opened, kept: connections to instances, in total and at the end."
)


def conditions(options: SimulateOptions, workload: Workload) -> str:
    """Describe the simulation in one or two sentences."""
    works = [work for _, (_, work) in zip(range(100_000), workload, strict=False)]
    rate = options.rate or workload.length / (workload.recording.arrivals[workload.length - 1] or 1)
    load = rate * fmean(works) / (options.instances * options.concurrency)
    uses = f", each balancer uses {options.subset:,}" if options.subset else ""
    return (
        f"{_many(options.balancers, 'balancer')} with {_many(options.workers, 'worker')}, "
        f"{_many(options.instances, 'instance')} with {options.concurrency:,} at a time{uses}; "
        f"{_many(workload.length, 'request')}, {rate:,.0f}/s, {options.service_time}: "
        f"{load:.0%} of the instances' capacity. Seed {options.seed}."
    )


def table(outcomes: Iterable[Outcome]) -> Table:
    """Return a table with one row per outcome."""
    made = Table(box=None, pad_edge=False, header_style="dim")
    made.add_column("policy", no_wrap=True)
    for name in COLUMNS:
        made.add_column(name, justify="right", no_wrap=True)
    for outcome in outcomes:
        latencies = outcome.latencies
        times = (latencies.mean, *map(latencies.percentile, (50, 99, 99.9)), latencies.longest)
        counts = (sum(outcome.failed.values()), outcome.retries)
        last = (
            f"{outcome.busiest:.2f}×",
            *(f"{n:,}" for n in (outcome.fullest, outcome.opened, outcome.kept)),
        )
        made.add_row(outcome.policy, *(f"{1e3 * t:.1f}" for t in times), *(f"{n:,}" for n in counts), *last)
    return made


def _many(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' if number != 1 else ''}"
