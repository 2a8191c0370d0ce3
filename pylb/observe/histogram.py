"""A histogram of durations for rare events. Durations of requests are counters: `observe.counter_layout`."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence


class Histogram:
    """Counts durations by upper bound, as Prometheus requires.

    Args:
        bounds: inclusive upper bounds in seconds, ascending. One more bucket counts longer durations.
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
    """The quantile of counted durations, interpolated linearly within a bucket, as in Prometheus.

    Args:
        share: 0.99 for p99.
        buckets: counts, one more than bounds.
        bounds: upper bounds in seconds.

    Returns:
        seconds, at most the last bound; None if nothing was counted.
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
