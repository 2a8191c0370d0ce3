"""The figures of a simulation."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import accumulate
from math import exp, log
from typing import Any

STEPS = 200
"""Buckets per factor of e, for an error of at most 0.25 %."""


class Latencies:
    """Durations of requests, in buckets narrow enough for any percentile."""

    __slots__ = ("_buckets", "count", "longest", "total")

    def __init__(self) -> None:
        self.count = 0
        self.total = 0.0
        self.longest = 0.0
        self._buckets: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        """Count one request."""
        self.count += 1
        self.total += seconds
        self.longest = max(self.longest, seconds)
        self._buckets[int(log(seconds or 1e-9) * STEPS + 1e6)] += 1

    @property
    def mean(self) -> float:
        """The mean in seconds; 0 without requests."""
        return self.total / self.count if self.count else 0.0

    def percentile(self, percent: float) -> float:
        """Return a percentile in seconds."""
        left = self.count * percent / 100
        return next((upper for upper, up_to in self.curve() if up_to >= left), self.longest)

    def curve(self) -> list[tuple[float, int]]:
        """Return durations in seconds with the number of requests that took no longer, in ascending order."""
        buckets = sorted(self._buckets.items())
        seconds = (exp((bucket - 1e6 + 0.5) / STEPS) for bucket, _ in buckets)
        return list(zip(seconds, accumulate(count for _, count in buckets), strict=True))


@dataclass(slots=True)
class Outcome:
    """The figures of one simulation."""

    policy: str
    latencies: Latencies = field(default_factory=Latencies)
    """Durations from the arrival at a balancer to the end of the response, without failed requests."""
    failed: Counter[str] = field(default_factory=Counter)
    """Requests without a response, by HAProxy's termination code."""
    retries: int = 0
    seconds: float = 0.0
    """Time from the first arrival to the last response."""
    busiest: float = 0.0
    """Requests of the instance with the most requests, divided by the mean."""
    fullest: int = 0
    """Maximum number of requests in flight on one instance."""
    opened: int = 0
    """Connections from balancers to instances that were opened."""
    kept: int = 0
    """Connections that are open at the end."""

    def figures(self) -> dict[str, Any]:
        """Return all figures by name, with times in seconds."""
        latencies = self.latencies
        percentiles = {f"p{percent:g}": latencies.percentile(percent) for percent in (50, 90, 99, 99.9)}
        return {
            "policy": self.policy,
            "answered": latencies.count,
            "failed": dict(self.failed),
            "retries": self.retries,
            "seconds": self.seconds,
            "mean": latencies.mean,
            **percentiles,
            "max": latencies.longest,
            "busiest": self.busiest,
            "fullest": self.fullest,
            "opened": self.opened,
            "kept": self.kept,
        }
