"""The names of all services in Consul's catalog, as the shared queries find them.

A new service is in the answer about a node's checks before Consul has listed all services with all their
tags, which takes it 70 ms with 1,000 services. Its name is then a hint, until a list confirms it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from time import monotonic

from pylb.clients.consul import copied

OWN = frozenset(["consul"])
"""Services that Consul registers itself, and that receive no HTTP requests."""

HINTED = 10.0
"""Seconds for which a name is used that no list confirms."""


class ServiceNames:
    """The names, and the hints at names.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self.listed: frozenset[str] | None = None
        """The last list; None before the first."""
        self._hinted: dict[str, float] = {}
        """Names that are not listed yet, with the time until which they are used."""
        self._error: Exception | None = None
        self._changed = asyncio.Event()

    def on_list(self, names: Iterable[str]) -> None:
        """Replace the names by a list of Consul."""
        self.listed, self._error, now = frozenset(names) - OWN, None, self._clock()
        hinted = self._hinted.items()
        self._hinted = {name: due for name, due in hinted if name not in self.listed and due > now}
        self._changed.set()

    def on_hint(self, names: Iterable[str]) -> None:
        """Add names that the next list may not have yet."""
        if new := set(names) - (self.listed or set()) - OWN:
            self._hinted |= dict.fromkeys(new, self._clock() + HINTED)
            self._changed.set()

    def on_error(self, error: Exception) -> None:
        """Make `watch` raise an error."""
        self._error = error
        self._changed.set()

    async def watch(self) -> AsyncGenerator[frozenset[str], None]:
        """Yield the names after each list or hint.

        Raises:
            ConsulError: the shared queries have failed.
        """
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._error is not None:
                error, self._error = self._error, None
                raise copied(error)
            if self.listed is not None:
                yield self.listed | self._hinted.keys()
