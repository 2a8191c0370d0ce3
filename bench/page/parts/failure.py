"""What failures cost the clients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.failure.faults import FAULTS
from bench.figure import Comparison, Figure, number
from bench.page.part import Part, table

COUNTS = ("refusals", "broken", "late", "slow")
HEADINGS = ("failed", "by status", "broken", "late", "slow", "over after, s", "closed", "answers/s")


def part(result: Mapping[str, Any]) -> Part:
    """From what `bench.failure` wrote."""
    made = Part()
    for fault, outcomes in result["results"].items():
        about = FAULTS[fault].about
        made.comparisons += [
            Comparison(
                f"{about}: requests that failed",
                {peer: Figure.of([failed(each)]) for peer, each in outcomes.items()},
            ),
            Comparison(
                f"{about}: over after, s",
                {
                    peer: Figure.of([each["recovered"]])
                    for peer, each in outcomes.items()
                    if each["recovered"] is not None
                },
            ),
        ]
        rows = [
            [
                peer,
                f"{failed(each):,}",
                *(f"{each[kind]:,}" for kind in COUNTS),
                "never" if each["recovered"] is None else number(each["recovered"]),
                f"{each['closed']:,}",
                number(each["rate"]),
            ]
            for peer, each in outcomes.items()
        ]
        made.add(f"**{about[0].upper()}{about[1:]}**", table(["", *HEADINGS], rows))
    return made


def failed(outcome: Mapping[str, Any]) -> int:
    """Requests that failed."""
    return int(outcome["refusals"] + outcome["broken"] + outcome["late"])
