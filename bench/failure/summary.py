"""The summary of all rounds of one proxy and one fault."""

from __future__ import annotations

from collections.abc import Sequence

from bench.failure.measure import Outcome
from bench.lib.figure import Count, Figure

HEADINGS = (
    *("failed", "bad status", "broken", "timed out", "slow"),
    *("recovery, s", "closed", "responses/s"),
)


def cells(rounds: Sequence[Outcome]) -> list[object]:
    """The row below `HEADINGS` for at least one round."""
    failed, bad_status, broken, timed_out, slow, closed = (
        Count.of(getattr(each, kind) for each in rounds)
        for kind in ("failed", "bad_status", "broken", "timed_out", "slow", "closed")
    )
    rate = Figure.of(each.rate for each in rounds)
    return [failed, bad_status, broken, timed_out, slow, over(rounds), closed, rate]


def over(rounds: Sequence[Outcome]) -> str:
    """The recovery time of the rounds that recovered, and the number of those that did not."""
    ends = [each.recovered for each in rounds if each.recovered is not None]
    if not ends:
        return "never"
    never = len(rounds) - len(ends)
    return f"{Figure.of(ends)}, never in {never} of {len(rounds)}" if never else str(Figure.of(ends))
