"""Who owns which slot of the block: decided in one place, so that every count has one meaning."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from pylb.model import Endpoint
from pylb.observe.gauges import IN_FLIGHT, PROCESS, SLOTS
from pylb.observe.shared_counters import SharedCounters, add
from pylb.policy.backend import Backend

GRACE = 60.0
"""Seconds for which the slot of a backend that went is not given to another one: its last requests may still
be counted."""


class Counters:
    """Who owns which slot. One process decides that, and tells the others the numbers.

    A service has a slot of its own for requests that reached no backend. What a backend counted is added to
    its service's slot when the backend's slot is given away, so that a service's totals only ever grow while
    instances come and go.

    Args:
        block: where the counters lie.
        clock: seconds that only grow, for all processes of this machine alike.
        memory: what `remember` returned, if another process decided before this one.
    """

    def __init__(
        self, block: SharedCounters, clock: Callable[[], float], memory: dict[str, Any] | None = None
    ) -> None:
        self.block = block
        self._clock = clock
        self._services: dict[str, int] = {}
        self._backends: dict[tuple[str, str], int] = {}
        """By service and authority: a series that is shown must be told apart by what is shown of it."""
        self._users: Counter[tuple[str, str]] = Counter()
        self._left: dict[tuple[str, str], tuple[int, float]] = {}
        """Slots of backends that went, the first to go first, with the time at which they did."""
        self._used = PROCESS + 1
        if memory:
            # Whoever is still there is about to be allocated again, and finds the slot that it had.
            self._services = memory["services"]
            self._left = {(s, b): (slot, left) for s, b, slot, left in memory["left"]}
            self._left |= {(s, b): (slot, clock()) for s, b, slot in memory["backends"]}
            self._used = memory["used"]

    def remember(self) -> dict[str, Any]:
        """Everything that another process needs to go on from here, as plain values."""
        return {
            "services": self._services,
            "backends": [(*name, slot) for name, slot in self._backends.items()],
            "left": [(*name, *left) for name, left in self._left.items()],
            "used": self._used,
        }

    def attach(self, backend: Backend) -> None:
        """Give a backend its cells."""
        backend.cells = self.allocate(backend.endpoint)

    def detach(self, backend: Backend) -> None:
        """Take them back; what still runs there is counted to its service."""
        self.release(backend.endpoint)
        backend.cells = self.service(backend.endpoint.service)

    def allocate(self, endpoint: Endpoint) -> memoryview:
        """The cells of a backend: for another one at its address, and when it comes back, the same again."""
        name = (endpoint.service, endpoint.authority)
        if name not in self._backends:
            self._backends[name] = self._slot_for(name)
        self._users[name] += 1
        return self.block.cells(self._backends[name])

    def release(self, endpoint: Endpoint) -> None:
        """Undo one `allocate`: this backend is gone, it counts nothing any more."""
        name = (endpoint.service, endpoint.authority)
        self._users[name] -= 1
        if not self._users[name]:
            del self._users[name]
            self._left[name] = (self._backends.pop(name), self._clock())

    def service(self, name: str) -> memoryview:
        """The cells for requests that reached no backend; `name` is "" if not even the service was known."""
        return self.block.cells(self.slot(name))

    def slot(self, service: str) -> int:
        """The number of a service's own slot."""
        slot = self._services.get(service)
        if slot is None:
            slot = self._services[service] = self._next()
        return slot

    def slots(self, service: str) -> dict[str, int]:
        """The numbers of its backends' slots, by authority."""
        return {backend: slot for (of, backend), slot in self._backends.items() if of == service}

    def read(self) -> tuple[dict[str, list[int]], dict[tuple[str, str], list[int]]]:
        """Totals by service, all its backends of now and before included, and by backend of now."""
        backends = {name: self.block.total(slot) for name, slot in self._backends.items()}
        parts = {service: [self.block.total(slot)] for service, slot in self._services.items()}
        for (service, _), total in backends.items():
            parts.setdefault(service, []).append(total)
        for (service, _), (slot, _) in self._left.items():
            parts.setdefault(service, []).append(self.block.total(slot))
        return {service: add(totals) for service, totals in parts.items()}, backends

    def _slot_for(self, name: tuple[str, str]) -> int:
        """The slot it had, one whose owner went long ago and has no request left, or a new one."""
        if name in self._left:
            return self._left.pop(name)[0]
        latest = self._clock() - GRACE
        for former, (slot, left) in self._left.items():
            if left > latest:
                break
            if not any(self.block.gauge(slot, IN_FLIGHT)):
                del self._left[former]
                self._empty(slot, into=self.service(former[0]))
                return slot
        return self._next()

    def _next(self) -> int:
        self._used += 1
        self.block.gauge(PROCESS, SLOTS)[self.block.row] = self._used
        return self._used - 1

    def _empty(self, slot: int, *, into: memoryview) -> None:
        """Move a slot's counts to another one by writing to this process's row only, even below zero."""
        own = self.block.cells(slot)
        for cell, count in enumerate(self.block.total(slot)):
            own[cell] -= count
            into[cell] += count
