"""The assignment of counter slots to backends and services, made by one process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from pylb.model import Endpoint
from pylb.observe.gauges import IN_FLIGHT, PROCESS, SLOTS
from pylb.observe.shared_counters import SharedCounters, add
from pylb.policy.backend import Backend

GRACE = 60.0
"""Seconds before the slot of a removed backend is reused: its last requests may still be counted."""


class Counters:
    """Assigns slots. Only one process does so and sends the numbers to the others.

    A service has one slot for requests that reached no backend. When the slot of a removed backend is reused,
    its counts are added to the slot of its service, so that the totals of a service never decrease.

    Args:
        shared: the memory of the counters.
        clock: monotonic seconds, the same for all processes of this machine.
        memory: the result of `remember`, if a previous process assigned slots.
    """

    def __init__(
        self, shared: SharedCounters, clock: Callable[[], float], memory: dict[str, Any] | None = None
    ) -> None:
        self.shared = shared
        self._clock = clock
        self._services: dict[str, int] = {}
        self._backends: dict[tuple[str, str], int] = {}
        """By service and authority, which are the labels of its metrics and must be unique."""
        self._users: Counter[tuple[str, str]] = Counter()
        self._left: dict[tuple[str, str], tuple[int, float]] = {}
        """Slots of removed backends with the time of removal, the oldest first."""
        self._used = PROCESS + 1
        if memory:
            # Present backends are about to be allocated again, and receive the slots they had.
            self._services = memory["services"]
            self._left = {(s, b): (slot, left) for s, b, slot, left in memory["left"]}
            self._left |= {(s, b): (slot, clock()) for s, b, slot in memory["backends"]}
            self._used = memory["used"]

    def remember(self) -> dict[str, Any]:
        """The state that another process needs to continue, as plain values."""
        return {
            "services": self._services,
            "backends": [(*name, slot) for name, slot in self._backends.items()],
            "left": [(*name, *left) for name, left in self._left.items()],
            "used": self._used,
        }

    def attach(self, backend: Backend) -> None:
        """Attach counters to a backend."""
        backend.counters = self.allocate(backend.endpoint)

    def detach(self, backend: Backend) -> None:
        """Release the counters of a backend; its remaining requests are counted to its service."""
        self.release(backend.endpoint)
        backend.counters = self.service(backend.endpoint.service)

    def allocate(self, endpoint: Endpoint) -> memoryview:
        """The counters of a backend. Backends with the same address share them, also after a return."""
        name = (endpoint.service, endpoint.authority)
        if name not in self._backends:
            self._backends[name] = self._slot_for(name)
        self._users[name] += 1
        return self.shared.counters(self._backends[name])

    def release(self, endpoint: Endpoint) -> None:
        """Undo one `allocate` after the removal of a backend."""
        name = (endpoint.service, endpoint.authority)
        self._users[name] -= 1
        if not self._users[name]:
            del self._users[name]
            self._left[name] = (self._backends.pop(name), self._clock())

    def service(self, name: str) -> memoryview:
        """The counters of requests that reached no backend; `name` is "" if no service matched."""
        return self.shared.counters(self.slot(name))

    def slot(self, service: str) -> int:
        """The number of the slot of a service."""
        slot = self._services.get(service)
        if slot is None:
            slot = self._services[service] = self._next()
        return slot

    def slots(self, service: str) -> dict[str, int]:
        """The numbers of the slots of a service's backends, by authority."""
        return {backend: slot for (of, backend), slot in self._backends.items() if of == service}

    def read(self) -> tuple[dict[str, list[int]], dict[tuple[str, str], list[int]]]:
        """Totals by service, present and former backends included, and by present backend."""
        backends = {name: self.shared.total(slot) for name, slot in self._backends.items()}
        parts = {service: [self.shared.total(slot)] for service, slot in self._services.items()}
        for (service, _), total in backends.items():
            parts.setdefault(service, []).append(total)
        for (service, _), (slot, _) in self._left.items():
            parts.setdefault(service, []).append(self.shared.total(slot))
        return {service: add(totals) for service, totals in parts.items()}, backends

    def _slot_for(self, name: tuple[str, str]) -> int:
        """The former slot of this backend; else one removed `GRACE` ago without requests, or a new one."""
        if name in self._left:
            return self._left.pop(name)[0]
        latest = self._clock() - GRACE
        for former, (slot, left) in self._left.items():
            if left > latest:
                break
            if not any(self.shared.gauge(slot, IN_FLIGHT)):
                del self._left[former]
                self._empty(slot, into=self.service(former[0]))
                return slot
        return self._next()

    def _next(self) -> int:
        self._used += 1
        self.shared.gauge(PROCESS, SLOTS)[self.shared.row] = self._used
        return self._used - 1

    def _empty(self, slot: int, *, into: memoryview) -> None:
        """Move the counts of a slot to another one. Only this row is written; it may become negative."""
        own = self.shared.counters(slot)
        for index, count in enumerate(self.shared.total(slot)):
            own[index] -= count
            into[index] += count
