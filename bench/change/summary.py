"""The summary of all rounds of one proxy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import NamedTuple

from bench.change.measure import Result
from bench.lib.figure import Count, Figure

MS = 1e3


class Times(NamedTuple):
    """Times from changes to the traffic, in milliseconds."""

    median: Figure
    p99: Figure
    longest: Figure

    @classmethod
    def of(cls, rounds: Iterable[Sequence[float]]) -> Times | None:
        """Summarize the seconds of each round; None if no round has at least two times."""
        enough = [[MS * each for each in seconds] for seconds in rounds if len(seconds) > 1]
        if not enough:
            return None
        return cls(*(Figure.of(map(of, enough)) for of in (median, _p99, max)))


@dataclass(frozen=True)
class Summary:
    """The figures of one proxy over at least one round."""

    first: Times | None
    """From registration to the first request."""
    last: Times | None
    """From deregistration to the last request."""
    lost: Count
    """Changes per round that never reached the traffic."""
    never: str
    """Changes that never reached the traffic, out of all changes of all rounds."""
    failed: Figure
    """Failed requests per change."""
    closed: Figure
    """Closed client connections per change."""
    rate: Figure
    """Requests per second during the changes."""
    before: Figure
    """p99 of requests without changes, in milliseconds."""
    p99: Figure
    """p99 of requests during the changes, in milliseconds."""
    idle: Figure | None
    """CPU milliseconds per second without changes."""
    cost: Figure | None
    """CPU milliseconds per change."""
    propagation: Mapping[str, Mapping[str, int]]
    """Counts that the proxy measured itself, over all rounds, by histogram and bucket."""

    @classmethod
    def of(cls, rounds: Sequence[Result]) -> Summary:
        """Summarize at least one round."""
        changes = [each.changes for each in rounds]
        costs = [each.cost for each in rounds if each.cost]
        propagation: dict[str, Counter[str]] = {}
        for each in rounds:
            for meaning, buckets in each.propagation.items():
                propagation.setdefault(meaning, Counter()).update(buckets)
        return cls(
            first=Times.of(each.appeared for each in changes),
            last=Times.of(each.vanished for each in changes),
            lost=Count.of(each.lost for each in changes),
            never=f"{sum(each.lost for each in changes):,} of {sum(each.count for each in changes):,}",
            failed=Figure.of(each.load.errors / each.changes.count for each in rounds),
            closed=Figure.of(each.closed / each.count for each in changes),
            rate=Figure.of(each.load.rate for each in rounds),
            before=Figure.of(each.before.p99 for each in rounds),
            p99=Figure.of(each.load.p99 for each in rounds),
            idle=Figure.of(MS * each.idle / each.seconds for each in costs) if costs else None,
            cost=Figure.of(MS * each.each for each in costs) if costs else None,
            propagation=propagation,
        )


def _p99(times: Sequence[float]) -> float:
    return quantiles(times, n=100, method="inclusive")[-1]
