"""What came of a simulation."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import accumulate
from math import exp, log
from typing import Any

STEPS = 200
"""Buckets per factor of e: what is read back is at most 0.25 % off."""


class Latencies:
    """How long requests took, in buckets so narrow that any percentile can be read from them."""

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
        """Seconds; 0 if there was nobody."""
        return self.total / self.count if self.count else 0.0

    def percentile(self, percent: float) -> float:
        """The seconds that so many of a hundred took at most."""
        left = self.count * percent / 100
        return next((upper for upper, up_to in self.curve() if up_to >= left), self.longest)

    def curve(self) -> list[tuple[float, int]]:
        """Seconds, and how many requests took no longer, in ascending order."""
        buckets = sorted(self._buckets.items())
        seconds = (exp((bucket - 1e6 + 0.5) / STEPS) for bucket, _ in buckets)
        return list(zip(seconds, accumulate(count for _, count in buckets), strict=True))


@dataclass(slots=True)
class Outcome:
    """The figures of one simulation."""

    policy: str
    latencies: Latencies = field(default_factory=Latencies)
    """From arrival at a balancer to the end of the answer; failed requests do not count."""
    failed: Counter[str] = field(default_factory=Counter)
    """Requests that got no answer, by HAProxy's termination code."""
    retries: int = 0
    seconds: float = 0.0
    """From the first arrival to the last answer."""
    busiest: float = 0.0
    """Requests of the instance with the most, against the mean of all."""
    fullest: int = 0
    """Requests that one instance had at a time, at most."""
    opened: int = 0
    """Connections from balancers to instances that were opened."""
    kept: int = 0
    """Those that are open at the end."""

    def figures(self) -> dict[str, Any]:
        """All of them by name, for a program; times are in seconds."""
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
