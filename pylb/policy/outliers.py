"""Success-rate outliers: backends that fail more often than their peers, but not consecutively.

Every 10 s the success rate is computed for each backend with enough attempts. A backend whose rate lies more
than 1.9 standard deviations below the mean of all is an outlier (Envoy's rule and numbers). At least five
backends must be comparable: of three, one is always the worst.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import sqrt

from pylb.policy.backend import Backend

INTERVAL = 10.0
"""Seconds between two evaluations."""
LEAST_ATTEMPTS = 100
"""Attempts on a backend since the last evaluation that make it comparable."""
LEAST_BACKENDS = 5
"""Comparable backends without which no outlier is reported."""
DEVIATIONS = 1.9
"""Standard deviations below the mean, from which a backend is an outlier."""


class Outliers:
    """Compares the backends of one pool.

    Args:
        attempts: returns the number of attempts on a backend since a fixed moment.
    """

    def __init__(self, attempts: Callable[[Backend], int]) -> None:
        self._attempts = attempts
        self._counted: dict[Backend, tuple[int, int]] = {}
        """Attempts and failures at the last evaluation."""
        self._due = 0.0

    def find(self, backends: Iterable[Backend], now: float) -> list[Backend]:
        """Return the outliers, the worst first; none between two evaluations."""
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
