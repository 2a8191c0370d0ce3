"""Counts the requests of each route of one worker; control adds up the counts of all workers.

The number of counted routes is bounded: further routes are counted together, and those of removed services
make room for others.
"""

from __future__ import annotations

from pylb.observe.record import Record
from pylb.observe.route_totals import FURTHER, is_full

Counts = list[tuple[str, str, int, int]]
"""Service, host and path, requests, and those answered with 5xx."""


class RouteCounts:
    """The counts of one worker since its start, or since a service was declared."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], list[int]] = {}

    def add(self, record: Record) -> None:
        """Count a request; see `Sinks`. Requests that no route took are not counted."""
        if not record.service:
            return
        fit = record.fit
        key = (record.service, fit.route.route.match.place if fit is not None else "")
        counts = self._counts.get(key)
        if counts is None:
            if is_full(self._counts):
                key = FURTHER
            counts = self._counts.setdefault(key, [0, 0])
        counts[0] += 1
        counts[1] += record.status >= 500

    def forget(self, service: str) -> None:
        """Remove the counts of a service, which was removed; they begin anew if it returns."""
        self._counts = {key: counts for key, counts in self._counts.items() if key[0] != service}

    def totals(self) -> Counts:
        """Return all counts."""
        counted = self._counts.items()
        return [(service, route, requests, errors) for (service, route), (requests, errors) in counted]
