"""What the rounds of one proxy say together."""

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
    """How long changes took to reach the traffic, in milliseconds."""

    median: Figure
    p99: Figure
    longest: Figure

    @classmethod
    def of(cls, rounds: Iterable[Sequence[float]]) -> Times | None:
        """From the seconds that each round's changes took; None if they were never enough of them."""
        enough = [[MS * each for each in seconds] for seconds in rounds if len(seconds) > 1]
        if not enough:
            return None
        return cls(*(Figure.of(map(of, enough)) for of in (median, _p99, max)))


@dataclass(frozen=True)
class Summary:
    """The figures of at least one round."""

    first: Times | None
    """From a registration to the first request."""
    last: Times | None
    """From a deregistration to the last one."""
    lost: Count
    """Changes that never reached the traffic, in a round."""
    never: str
    """How many these are of all changes of all rounds."""
    failed: Figure
    """Requests, per change."""
    closed: Figure
    """Client connections, per change."""
    rate: Figure
    """Requests per second while instances come and go."""
    before: Figure
    """p99 of requests without changes, in milliseconds."""
    p99: Figure
    """The same while instances come and go."""
    idle: Figure | None
    """Milliseconds of CPU per second in which nothing changes."""
    cost: Figure | None
    """Milliseconds of CPU per change."""
    propagation: Mapping[str, Mapping[str, int]]
    """What the proxy measured itself, in all rounds: by histogram and bucket."""

    @classmethod
    def of(cls, rounds: Sequence[Result]) -> Summary:
        """Summarize them."""
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
