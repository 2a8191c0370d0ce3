"""Reads the load balancer's pool and counters for one frame of the demo."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from pylb.observe.counter_layout import ATTEMPTS, CODES
from pylb.observe.counters import Counters
from pylb.policy.backend import Backend
from pylb.policy.pool import Pool

WINDOW = 2.0
"""Seconds over which the rate of requests is measured."""
SERVER_ERRORS = CODES.index("5xx")


@dataclass(frozen=True, slots=True)
class Row:
    """One instance."""

    name: str
    address: str
    state: str
    """The state in one word."""
    up: bool
    """Whether the instance receives requests."""
    requests: int = 0
    in_flight: int = 0
    share: float | None = None
    """Its share of the requests since the last change of instances, from 0 to 1; None without requests."""
    reason: str = ""
    """The reason for which the instance is excluded; empty if it is not."""


@dataclass(frozen=True, slots=True)
class Summary:
    """All instances and their totals."""

    rows: tuple[Row, ...]
    requests: int
    """Requests since the start, including those of removed instances."""
    errors: int
    """Requests with a status of 500 or above."""
    rate: float
    """Requests per second over the last `WINDOW`."""


class Scoreboard:
    """Reads the state of one pool.

    Args:
        pool: the pool.
        counters: the counters of its requests.
    """

    def __init__(self, pool: Pool, counters: Counters) -> None:
        self._pool = pool
        self._counters = counters
        self._generation = -1
        self._seen: dict[Backend, int] = {}
        """Requests of each backend at the last call of `read`."""
        self._before: dict[Backend, int] = {}
        """Requests of each backend at the last call before the instances changed."""
        self._totals: deque[tuple[float, int]] = deque()
        """Time and total requests of the calls within `WINDOW`."""

    def read(self, now: float) -> Summary:
        """Return the current state.

        Args:
            now: monotonic seconds.
        """
        pool = self._pool
        backends = [*pool.backends.values(), *pool.draining.values()]
        answered = {backend: backend.counters[ATTEMPTS] for backend in backends}
        if pool.applied and pool.applied.generation != self._generation:
            self._generation = pool.applied.generation
            self._before = self._seen
        self._seen = answered
        since = {backend: count - self._before.get(backend, 0) for backend, count in answered.items()}
        total = sum(since.values())
        rows = [
            Row(
                name=backend.endpoint.id,
                address=backend.name,
                state=backend.state.value,
                up=backend in pool.eligible,
                requests=answered[backend],
                in_flight=backend.inflight,
                share=since[backend] / total if total else None,
            )
            for backend in backends
        ]
        rows += [
            Row(each.endpoint.id, each.endpoint.authority, "excluded", up=False, reason=each.reason)
            for each in (pool.applied.excluded if pool.applied else ())
        ]
        counts = self._counters.read()[0].get(pool.service, [0] * len(CODES))
        requests = sum(counts[: len(CODES)])
        return Summary(
            tuple(sorted(rows, key=lambda row: (len(row.name), row.name))),
            requests,
            counts[SERVER_ERRORS],
            self._rate(now, requests),
        )

    def _rate(self, now: float, requests: int) -> float:
        self._totals.append((now, requests))
        while len(self._totals) > 2 and self._totals[1][0] <= now - WINDOW:
            self._totals.popleft()
        then, before = self._totals[0]
        return (requests - before) / (now - then) if now > then else 0.0
