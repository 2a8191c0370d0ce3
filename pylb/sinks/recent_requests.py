"""Records the recent requests of a worker for `pylb plan`; control collects them from all workers.

A request costs one append. A query is not recorded, since it may contain secrets.
"""

from __future__ import annotations

from pylb.observe.record import Record

Entry = tuple[str, str, str, str]
"""Method, host, path and service."""

LONGEST = 1024
"""Characters of a recorded host or path; longer ones are left out."""


class RecentRequests:
    """The requests since they were last taken.

    Args:
        most: the largest number that is kept; further requests are left out.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._records: list[tuple[bytes, bytes, bytes, str]] = []

    def add(self, record: Record) -> None:
        """Record a request; see `Sinks`."""
        request = record.request
        if request is not None and len(self._records) < self._most:
            self._records.append((request.method, request.host, request.target, record.service))

    def take(self) -> list[Entry]:
        """Return the recorded requests, and forget them."""
        records, self._records = self._records, []
        entries = []
        for method, host, target, service in records:
            path = target.partition(b"?")[0]
            if len(path) <= LONGEST and len(host) <= LONGEST:
                entries.append(
                    (method.decode("latin-1"), host.decode("latin-1"), path.decode("latin-1"), service)
                )
        return entries
