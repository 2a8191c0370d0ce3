"""The last fifteen minutes of traffic: rates and latencies, sampled from the counters every second.

Request handling does no work for it: the sampler reads the existing totals and stores their differences.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from pylb.observe import counter_layout
from pylb.observe.counters import Counters
from pylb.observe.histogram import quantile

PERIOD = 1.0
"""Seconds between two samples."""
KEPT = 900
"""Samples of each service."""
KEPT_BACKEND = 60
"""Samples of each backend, for its sparkline."""

Totals = list[int]


@dataclass(frozen=True, slots=True)
class Sample:
    """The traffic of one period. Rates are per second; latencies are seconds, None without requests."""

    time: float
    """The end of the period, in seconds since the epoch."""
    requests: float
    errors: float
    """Requests answered with 5xx."""
    received: float
    """Bytes of request bodies."""
    sent: float
    """Bytes of response bodies."""
    p50: float | None
    p99: float | None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


class Samples:
    """Rings of samples, by service and by backend.

    Args:
        counters: the sampled counters.
    """

    def __init__(self, counters: Counters) -> None:
        self.services: dict[str, deque[Sample]] = {}
        self.backends: dict[tuple[str, str], deque[Sample]] = {}
        """By service and authority."""
        self._counters = counters
        self._services: dict[str, Totals] = {}
        self._backends: dict[tuple[str, str], Totals] = {}
        self._taken = 0.0

    def forget(self, service: str) -> None:
        """Discard the samples of a service."""
        self.services.pop(service, None)
        self._services.pop(service, None)

    def take(self, now: float) -> None:
        """Take a sample. `now`: seconds since the epoch."""
        services, backends = self._counters.read()
        elapsed = now - self._taken
        if self._taken and elapsed > 0:
            for name, totals in services.items():
                ring = self.services.setdefault(name, deque(maxlen=KEPT))
                ring.append(_difference(self._services.get(name), totals, now, elapsed))
            for key, totals in backends.items():
                line = self.backends.setdefault(key, deque(maxlen=KEPT_BACKEND))
                line.append(_difference(self._backends.get(key), totals, now, elapsed))
        for gone in self.backends.keys() - backends.keys():
            del self.backends[gone]
        self._services, self._backends, self._taken = services, backends, now


_END = counter_layout.DURATION + counter_layout.BUCKETS
_ERRORS = counter_layout.CODES.index("5xx")
_NOTHING = [0] * counter_layout.SLOT_LENGTH


def _difference(before: Totals | None, after: Totals, now: float, elapsed: float) -> Sample:
    old = before or _NOTHING
    if old == after:
        return Sample(now, 0.0, 0.0, 0.0, 0.0, None, None)
    counted = [new - seen for new, seen in zip(after, old, strict=True)]
    if min(counted) < 0:
        counted = after  # The slot now belongs to another backend, whose counts began at zero.
    buckets = counted[counter_layout.DURATION : _END]
    return Sample(
        time=now,
        requests=sum(buckets) / elapsed,
        errors=counted[_ERRORS] / elapsed,
        received=counted[counter_layout.RECEIVED] / elapsed,
        sent=counted[counter_layout.SENT] / elapsed,
        p50=quantile(0.50, buckets, counter_layout.BOUNDS),
        p99=quantile(0.99, buckets, counter_layout.BOUNDS),
    )
