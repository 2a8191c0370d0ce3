"""Balancing in step with other workers: each sees what all of them have in flight on a backend.

Workers that count for themselves alone balance worse the more of them there are, because each knows of a
fraction of the requests only. Here every worker writes its count of each backend into memory that all can
read, and reads the others' when it compares. Nobody waits for anybody, nothing is locked.

It reads at every pick. What is a millisecond old makes all workers run to the same backend meanwhile, which
under load is no better than counting alone (docs/adr/counting-across-workers.md).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pylb.model import Endpoint
from pylb.policy.backend import Backend
from pylb.policy.balance.least_connections import LeastConnections
from pylb.policy.lease import Lease
from pylb.policy.pool import Pool


class SharedBackend(Backend):
    """A backend that other workers send requests to as well."""

    __slots__ = ("_all", "_own")

    def __init__(self, endpoint: Endpoint, cells: Any = None) -> None:
        super().__init__(endpoint, cells)
        self._all = memoryview(bytearray(8)).cast("q")
        """Requests in flight on it, by worker. Until it is told where that is, it stands alone."""
        self._own = 0
        """This worker's place there."""

    def share(self, in_flight: memoryview, own: int) -> None:
        """Count here from now on.

        Args:
            in_flight: requests on this backend, an item per worker.
            own: which item this worker writes.
        """
        self._all[self._own] = 0
        self._all = in_flight
        self._own = own
        self.count(0)

    def count(self, change: int) -> None:
        """Take note that a request of this worker began (+1) or ended (-1), and let the others see it."""
        self.inflight += change
        self._all[self._own] = self.inflight
        self.load = (self.inflight + self.elsewhere) / (self.weight or 1)

    def refresh(self) -> None:
        """See what the other workers have on it now."""
        together = sum(self._all)
        self.elsewhere = together - self.inflight
        self.load = together / (self.weight or 1)


class SharedPool(Pool):
    """A pool of such backends."""

    kind = SharedBackend

    _compared: tuple[Backend, ...] = ()
    """Backends that every pick compares all of; policies that compare two refresh those themselves."""

    def rebuild(self, *, reweighted: bool = False) -> None:
        """See `Pool.rebuild`."""
        super().rebuild(reweighted=reweighted)
        self._compared = self.eligible if isinstance(self._unlimited, LeastConnections) else ()

    def lease(self, tried: Collection[Backend] = (), now: float = 0.0) -> Lease:
        """See `Pool.lease`."""
        for backend in self._compared:
            backend.refresh()
        return super().lease(tried, now)
