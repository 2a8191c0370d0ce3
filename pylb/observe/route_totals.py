"""The counts of requests by route, of all workers together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

Key = tuple[str, str]
"""A service and a route."""

Pair = tuple[int, int]
"""Requests and errors."""

NOTHING: Pair = (0, 0)

MOST_ROUTES = 1000
"""Routes that are counted separately."""

FURTHER = ("", "(further routes)")
"""The service and route of all further ones."""


def is_full(counts: Collection[Key]) -> bool:
    """Whether a new route is counted together with other further ones."""
    return len(counts) - (FURTHER in counts) >= MOST_ROUTES


class RouteTotals:
    """Adds up what the workers count. The counts outlive the worker, and end with the service.

    A count is added once and never moved, so that no total decreases while its service lives.

    Args:
        is_declared: whether a service has routes. Of others, nothing is kept.
    """

    def __init__(self, is_declared: Callable[[str], bool]) -> None:
        self._is_declared = is_declared
        self._totals: dict[Key, list[int]] = {}
        self._counted: dict[object, dict[Key, Pair]] = {}
        """By worker: the last counts of its routes."""

    def update(self, worker: object, totals: Iterable[Sequence[Any]]) -> None:
        """Add what a worker has counted since its last message.

        Args:
            worker: identifies it.
            totals: all of its counts, each as service, route, requests and errors.
        """
        before = self._counted.get(worker, {})
        now: dict[Key, Pair] = {(each[0], each[1]): (each[2], each[3]) for each in totals}
        for key, counted in now.items():
            self._add(key, _grown(before.get(key, NOTHING), counted))
        self._counted[worker] = now

    def end(self, worker: object) -> None:
        """Keep the counts of a worker that has ended."""
        self._counted.pop(worker, None)

    def forget(self, service: str) -> None:
        """Remove the counts of a service that was removed."""
        self._totals = {key: counts for key, counts in self._totals.items() if key[0] != service}

    def totals(self) -> dict[Key, list[int]]:
        """Return requests and errors by service and route."""
        return {key: [*counts] for key, counts in self._totals.items()}

    def _add(self, key: Key, grown: Pair) -> None:
        requests, errors = grown
        if not requests or not (key == FURTHER or self._is_declared(key[0])):
            return
        if key not in self._totals and is_full(self._totals):
            key = FURTHER
        counts = self._totals.setdefault(key, [0, 0])
        counts[0] += requests
        counts[1] += errors


def _grown(before: Pair, now: Pair) -> Pair:
    """Return the difference; all of the present counts if they have begun anew."""
    return (now[0] - before[0], now[1] - before[1]) if now[0] >= before[0] else now
