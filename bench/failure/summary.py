"""What the rounds of one proxy say together."""

from __future__ import annotations

from collections.abc import Sequence

from bench.failure.measure import Outcome
from bench.lib.figure import Count, Figure

HEADINGS = ("failed", "by status", "broken", "late", "slow", "over after, s", "closed", "answers/s")


def cells(rounds: Sequence[Outcome]) -> list[object]:
    """A row below the headings, from at least one round."""
    failed, refusals, broken, late, slow, closed = (
        Count.of(getattr(each, kind) for each in rounds)
        for kind in ("failed", "refusals", "broken", "late", "slow", "closed")
    )
    rate = Figure.of(each.rate for each in rounds)
    return [failed, refusals, broken, late, slow, over(rounds), closed, rate]


def over(rounds: Sequence[Outcome]) -> str:
    """When the last request failed or was slow: of the rounds that saw an end, and how many did not."""
    ends = [each.recovered for each in rounds if each.recovered is not None]
    if not ends:
        return "never"
    never = len(rounds) - len(ends)
    return f"{Figure.of(ends)}, never in {never} of {len(rounds)}" if never else str(Figure.of(ends))
