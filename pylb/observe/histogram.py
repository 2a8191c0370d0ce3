"""A histogram of seconds for what happens seldom; per-request ones lie in cells (see `observe.cells`)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence


class Histogram:
    """Counts durations by upper bounds, as Prometheus wants them.

    Args:
        bounds: in seconds, ascending, each included in its bucket; one more bucket takes what is longer.
    """

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.buckets = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, seconds: float) -> None:
        """Count one duration."""
        self.buckets[bisect_left(self.bounds, seconds)] += 1
        self.sum += seconds


def quantile(share: float, buckets: Sequence[int], bounds: Sequence[float]) -> float | None:
    """The duration that so many of all are not longer than; linear within a bucket, as Prometheus does it.

    Args:
        share: 0.99 for p99.
        buckets: counts, one more than there are bounds.
        bounds: upper bounds in seconds.

    Returns:
        seconds; the last bound for what lies beyond it; None if nothing was counted.
    """
    rank = share * sum(buckets)
    if not rank:
        return None
    seen = 0
    for place, (count, bound) in enumerate(zip(buckets, bounds, strict=False)):
        if seen + count >= rank:
            low = bounds[place - 1] if place else 0.0
            return low + (bound - low) * (rank - seen) / count
        seen += count
    return bounds[-1]
