"""One registration of an instance and its deregistration, with the requests that its origin recorded."""

from __future__ import annotations

import time

from bench.lib.consul import Catalog
from bench.lib.origins import Origins

QUIET = 0.2
"""Seconds without a request after which no further one is expected."""


class ChurnCycle:
    """One registration of an instance, its deregistration, and the end of its origin.

    Args:
        catalog: registers the instance.
        origins: the process that serves it.
        slot: the slot of the instance in `origins`.
        name: the id of the instance in the registry.
    """

    def __init__(self, catalog: Catalog, origins: Origins, slot: int, name: str) -> None:
        self.registered = 0.0
        """Monotonic time at which the registering call returned; 0 before."""
        self.deregistered = 0.0
        """Monotonic time at which the deregistering call returned; 0 before."""
        self._catalog = catalog
        self._origins = origins
        self._slot = slot
        self._name = name

    def register(self) -> None:
        """Register the instance."""
        self._origins.timestamps.forget(self._slot)
        self._catalog.register(self._name, self._origins.ports[self._slot])
        self.registered = time.monotonic()

    def deregister(self) -> None:
        """Deregister the instance. Its origin still answers requests."""
        self._catalog.deregister(self._name)
        self.deregistered = time.monotonic()

    def end(self) -> None:
        """Shut the origin down."""
        self._origins.end(self._slot)

    @property
    def has_requests(self) -> bool:
        """Whether the instance has received a request."""
        return self._origins.timestamps.first(self._slot) > 0

    @property
    def is_drained(self) -> bool:
        """Whether the instance has received no request for `QUIET` since its deregistration."""
        return time.monotonic() - max(self._origins.timestamps.last(self._slot), self.deregistered) > QUIET

    @property
    def appeared(self) -> float | None:
        """Seconds from registration to the first request; None if none arrived before deregistration."""
        first = self._origins.timestamps.first(self._slot)
        if not first or (self.deregistered and first > self.deregistered):
            return None
        return max(0.0, first - self.registered)

    @property
    def vanished(self) -> float | None:
        """Seconds from deregistration to the last request; 0 if it arrived before the call returned.

        None if the instance never received a request, or still receives requests.
        """
        if not self.has_requests or not self.is_drained:
            return None
        return max(0.0, self._origins.timestamps.last(self._slot) - self.deregistered)
