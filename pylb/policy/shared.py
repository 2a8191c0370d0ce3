"""Balancing across workers: each worker sees the requests that all of them have in flight on a backend.

Workers that count only their own requests balance worse the more workers there are, because each sees only a
fraction of the load. Here every worker writes its count for each backend into memory that all can read, and
reads the counts of the others when it compares loads. There are no locks and no waits.

The counts are read at every pick. With counts that are a millisecond old, all workers choose the same backend
meanwhile, which under load is no better than local counts (docs/adr/counting-across-workers.md).
"""

from __future__ import annotations

from typing import Any

from pylb.model import Endpoint
from pylb.policy.backend import Backend
from pylb.policy.pool import Pool


class SharedBackend(Backend):
    """A backend to which other workers send requests as well."""

    __slots__ = ("_all", "_own")

    def __init__(self, endpoint: Endpoint, counters: Any = None) -> None:
        super().__init__(endpoint, counters)
        self._all = memoryview(bytearray(8)).cast("q")
        """Requests in flight on it, one item per worker. Private memory until `share` is called."""
        self._own = 0
        """Index of this worker's item."""

    def share(self, in_flight: memoryview, own: int) -> None:
        """Count in shared memory from now on.

        Args:
            in_flight: requests on this backend, one item per worker.
            own: index of the item that this worker writes.
        """
        self._all[self._own] = 0
        self._all = in_flight
        self._own = own
        self.count(0)

    def count(self, change: int) -> None:
        """Count a request of this worker that began (+1) or ended (-1), visible to the other workers."""
        self.inflight += change
        self._all[self._own] = self.inflight
        self.load = (self.inflight + self.elsewhere) / (self.weight or 1)

    def refresh(self) -> None:
        """Read how many requests the other workers have on it now."""
        together = sum(self._all)
        self.elsewhere = together - self.inflight
        self.load = together / (self.weight or 1)


class SharedPool(Pool):
    """A pool of `SharedBackend`s."""

    kind = SharedBackend

    _alone = False
    """Whether no other worker sends requests. Then picks cost what they cost in a `Pool`."""

    def rebuild(self, *, reweighted: bool = False) -> None:
        """See `Pool.rebuild`."""
        super().rebuild(reweighted=reweighted)
        self._refreshed = self.eligible if self._balancer.reads_load and not self._alone else ()

    def set_alone(self, *, alone: bool) -> None:
        """Set whether no other worker sends requests to these backends."""
        if alone != self._alone:
            self._alone = alone
            for backend in self.backends.values():
                backend.refresh()
            self.rebuild()
