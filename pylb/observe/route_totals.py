"""The counts of requests by route, of all workers together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

MOST_ROUTES = 1000
"""Routes that are counted separately."""

FURTHER = ("", "(further routes)")
"""The service and route of all further ones."""


class RouteTotals:
    """Adds up what the workers count. The counts of a worker that has ended are kept."""

    def __init__(self) -> None:
        self._ended: dict[tuple[str, str], list[int]] = {}
        self._workers: dict[object, Iterable[Sequence[Any]]] = {}

    def update(self, worker: object, totals: Iterable[Sequence[Any]]) -> None:
        """Replace the counts of a worker by newer ones, each as service, route, requests and errors."""
        self._workers[worker] = totals

    def end(self, worker: object) -> None:
        """Keep the last counts of a worker that has ended."""
        self._add(self._ended, self._workers.pop(worker, ()))

    def totals(self) -> dict[tuple[str, str], list[int]]:
        """Return requests and errors by service and route."""
        made: dict[tuple[str, str], list[int]] = {key: [*counts] for key, counts in self._ended.items()}
        for totals in self._workers.values():
            self._add(made, totals)
        return made

    def _add(self, to: dict[tuple[str, str], list[int]], totals: Iterable[Sequence[Any]]) -> None:
        for service, route, requests, errors in totals:
            key = (service, route)
            if key not in to and len(to) >= MOST_ROUTES:
                key = FURTHER
            counts = to.setdefault(key, [0, 0])
            counts[0] += requests
            counts[1] += errors
