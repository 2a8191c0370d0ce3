"""The cost of failures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.failure.faults import FAULTS
from bench.failure.measure import Outcome
from bench.failure.summary import HEADINGS, cells
from bench.lib.figure import Comparison, Count, Figure
from bench.report.part import Part, table


def part(result: Mapping[str, Any]) -> Part:
    """The part of the figures that `bench.failure` wrote."""
    made = Part()
    for fault, results in result["results"].items():
        about = FAULTS[fault].about
        outcomes = {peer: [Outcome(**each) for each in rounds] for peer, rounds in results.items()}
        ends = {peer: [each.recovered for each in rounds] for peer, rounds in outcomes.items()}
        made.comparisons += [
            Comparison(
                f"{about}: failed requests",
                {peer: Count.of(each.failed for each in rounds) for peer, rounds in outcomes.items()},
            ),
            Comparison(
                f"{about}: recovery, s",
                {
                    peer: Figure.of(each for each in rounds if each is not None)
                    for peer, rounds in ends.items()
                    if None not in rounds
                },
            ),
            Comparison(
                f"{about}: no recovery, times per round",
                {peer: Count.of(each is None for each in rounds) for peer, rounds in ends.items()},
            ),
        ]
        rows = [[peer, *cells(rounds)] for peer, rounds in outcomes.items()]
        made.add(f"**{about[0].upper()}{about[1:]}**", table(["", *HEADINGS], rows))
    return made
