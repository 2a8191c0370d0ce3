"""An instance that comes and goes in the registry, and when its origin heard of it."""

from __future__ import annotations

import time

from bench.lib.consul import Catalog
from bench.lib.origins import Origins

QUIET = 0.2
"""Seconds without a request after which the last one is taken to have been the last."""


class ChurnCycle:
    """One registration and its end.

    Args:
        catalog: where it is registered.
        origins: among which it is.
        slot: which of them it is.
        name: what the registry calls it.
    """

    def __init__(self, catalog: Catalog, origins: Origins, slot: int, name: str) -> None:
        self.registered = 0.0
        """When it was; monotonic."""
        self.deregistered = 0.0
        self._catalog = catalog
        self._origins = origins
        self._slot = slot
        self._name = name

    def arrive(self) -> None:
        """Register it."""
        self._origins.timestamps.forget(self._slot)
        self._catalog.register(self._name, self._origins.ports[self._slot])
        self.registered = time.monotonic()

    def leave(self) -> None:
        """Deregister it; it goes on answering."""
        self._catalog.deregister(self._name)
        self.deregistered = time.monotonic()

    def end(self) -> None:
        """Let it answer no more."""
        self._origins.end(self._slot)

    @property
    def is_seen(self) -> bool:
        """Whether it has had a request."""
        return self._origins.timestamps.first(self._slot) > 0

    @property
    def is_over(self) -> bool:
        """Whether it has had none for a moment, since it was deregistered."""
        return time.monotonic() - max(self._origins.timestamps.last(self._slot), self.deregistered) > QUIET

    @property
    def appeared(self) -> float | None:
        """Seconds from its registration to its first request; None if none came while it was there."""
        first = self._origins.timestamps.first(self._slot)
        if not first or (self.deregistered and first > self.deregistered):
            return None
        return max(0.0, first - self.registered)

    @property
    def vanished(self) -> float | None:
        """Seconds from its deregistration to its last request, 0 if that came before the call returned.

        None if it never had a request, or has them still.
        """
        if not self.is_seen or not self.is_over:
            return None
        return max(0.0, self._origins.timestamps.last(self._slot) - self.deregistered)
