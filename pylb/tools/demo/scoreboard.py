"""What the demo shows of the load balancer at one moment, read from its pool and its counters."""

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
    """One word."""
    up: bool
    """Whether it gets requests."""
    requests: int = 0
    in_flight: int = 0
    share: float | None = None
    """Its part of the requests since instances last changed, from 0 to 1; None if there were none."""
    reason: str = ""
    """Why it is excluded, in words, if it is."""


@dataclass(frozen=True, slots=True)
class Standing:
    """All instances, and their sums."""

    rows: tuple[Row, ...]
    requests: int
    """Answered since the start, by instances that have gone too."""
    errors: int
    """Those of them that were answered with a status of 500 or more."""
    rate: float
    """Requests per second, of late."""


class Scoreboard:
    """Follows one pool.

    Args:
        pool: the instances.
        counters: the requests.
    """

    def __init__(self, pool: Pool, counters: Counters) -> None:
        self._pool = pool
        self._counters = counters
        self._generation = -1
        self._seen: dict[Backend, int] = {}
        """What each backend had answered at the last look."""
        self._before: dict[Backend, int] = {}
        """And at the last one before instances changed."""
        self._totals: deque[tuple[float, int]] = deque()
        """The sum at each look of the last two seconds."""

    def read(self, now: float) -> Standing:
        """Look at everything.

        Args:
            now: monotonic seconds.
        """
        pool = self._pool
        backends = [*pool.backends.values(), *pool.draining.values()]
        answered = {backend: backend.cells[ATTEMPTS] for backend in backends}
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
        cells = self._counters.read()[0].get(pool.service, [0] * len(CODES))
        requests = sum(cells[: len(CODES)])
        return Standing(
            tuple(sorted(rows, key=lambda row: (len(row.name), row.name))),
            requests,
            cells[SERVER_ERRORS],
            self._rate(now, requests),
        )

    def _rate(self, now: float, requests: int) -> float:
        self._totals.append((now, requests))
        while len(self._totals) > 2 and self._totals[1][0] <= now - WINDOW:
            self._totals.popleft()
        then, before = self._totals[0]
        return (requests - before) / (now - then) if now > then else 0.0
