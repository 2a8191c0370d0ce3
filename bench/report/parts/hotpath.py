"""The cost of requests: a table of CPU times, and all other figures collapsed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from bench.hotpath.run import REFERENCE
from bench.lib.figure import Comparison, Figure
from bench.lib.sample import Sample, ratio, rounds_of
from bench.report.part import Part, folded, table
from bench.report.plot import bars

PICTURED = ("small", "16m")
"""Workloads with a picture."""


def part(result: Mapping[str, Any]) -> Part:
    """The part of the figures that `bench.hotpath` wrote."""
    made = Part()
    samples = [Sample(**each) for each in result["samples"]]
    peers = list(dict.fromkeys(sample.peer for sample in samples))
    rows, details = [], []
    for workload in result["workloads"]:
        name, about = workload["name"], f"{workload['about']}, {workload['connections']} connections"
        rounds = rounds_of(samples, name)
        cpu = {peer: Figure.of(sample.cpu for sample in of_peer) for peer, of_peer in rounds.items()}
        rows.append([about, *(_cell(cpu[peer], rounds[peer]) if peer in cpu else "" for peer in peers)])
        details += [f"**{about}**", _detailed(rounds, cpu)]
        made.comparisons += [
            Comparison(f"{about}: CPU, µs", cpu),
            Comparison(
                f"{about}: requests/s",
                {peer: Figure.of(sample.rate for sample in of_peer) for peer, of_peer in rounds.items()},
                more_is_better=True,
            ),
            Comparison(
                f"{about}: p99, ms",
                {peer: Figure.of(sample.p99 for sample in of_peer) for peer, of_peer in rounds.items()},
            ),
        ]
    made.add(table(["CPU µs per request", *peers], rows))
    for workload, comparison in zip(result["workloads"], made.comparisons[::3], strict=True):
        if workload["name"] in PICTURED:
            alt = f"CPU per request by proxy, {workload['about']}"
            picture = partial(bars, comparison.figures, "CPU µs per request")
            made.draw(f"cpu-{workload['name']}", alt, picture)
    made.add(folded("Throughput, latency, memory, ratios", *details))
    return made


def _cell(figure: Figure, rounds: Sequence[Sample]) -> str:
    """A figure, with its number of errors: figures with errors are not comparable."""
    errors = sum(sample.errors for sample in rounds)
    return f"{figure}, {errors:,} errors" if errors else str(figure)


def _detailed(rounds: Mapping[str, Sequence[Sample]], cpu: Mapping[str, Figure]) -> str:
    headings = ["", "CPU µs", "user", "system", f"× {REFERENCE}", "requests/s", "p50 ms", "p99 ms", "RSS MiB"]
    return table(
        [*headings, "errors"],
        [
            [
                peer,
                cpu[peer],
                *(Figure.of(getattr(sample, kind) for sample in of_peer) for kind in ("user", "system")),
                ratio(rounds, peer, REFERENCE) or "",
                *(
                    Figure.of(getattr(sample, kind) for sample in of_peer)
                    for kind in ("rate", "p50", "p99", "rss")
                ),
                f"{sum(sample.errors for sample in of_peer):,}",
            ]
            for peer, of_peer in sorted(rounds.items(), key=lambda item: cpu[item[0]].median)
        ],
    )
