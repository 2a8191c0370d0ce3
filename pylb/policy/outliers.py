"""Success-rate outliers: backends that fail noticeably more often than their peers, if never in a row.

Every 10 s the share of attempts that went well is computed for each backend that had enough of them. Who lies
below the mean of all by more than 1.9 standard deviations is an outlier (Envoy's rule, and its numbers). It
takes five backends for that: of three, one is always the worst.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import sqrt

from pylb.policy.backend import Backend

INTERVAL = 10.0
"""Seconds between two looks."""
LEAST_ATTEMPTS = 100
"""On a backend since the last look, for it to be compared."""
LEAST_BACKENDS = 5
"""That can be compared."""
DEVIATIONS = 1.9


class Outliers:
    """Compares the backends of one pool.

    Args:
        attempts: how many a backend has had, since some moment that stays the same.
    """

    def __init__(self, attempts: Callable[[Backend], int]) -> None:
        self._attempts = attempts
        self._counted: dict[Backend, tuple[int, int]] = {}
        """At the last look: attempts, and how many of them failed."""
        self._due = 0.0

    def find(self, backends: Iterable[Backend], now: float) -> list[Backend]:
        """Those that are out of line, the worst first; none between two looks."""
        if now < self._due:
            return []
        self._due = now + INTERVAL
        before = self._counted
        self._counted = {backend: (self._attempts(backend), backend.health.total) for backend in backends}
        rates = {}
        for backend, (attempts, failures) in self._counted.items():
            tried, failed = before.get(backend, (attempts, failures))
            if attempts - tried >= LEAST_ATTEMPTS:
                rates[backend] = 1 - (failures - failed) / (attempts - tried)
        if len(rates) < LEAST_BACKENDS:
            return []
        mean = sum(rates.values()) / len(rates)
        deviation = sqrt(sum((rate - mean) ** 2 for rate in rates.values()) / len(rates))
        threshold = mean - DEVIATIONS * deviation
        return sorted((backend for backend, rate in rates.items() if rate < threshold), key=rates.__getitem__)
