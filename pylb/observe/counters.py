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
    its counts are added to the slot of its service, so that the totals of a service never decrease. The
    counts of a removed service end when it has not returned for some time.

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
        self._removed: dict[str, float] = {}
        """Removed services with the time of removal, the oldest first. They keep their slots for `GRACE`."""
        self._free: list[int] = []
        """Empty slots of former services."""
        self._used = PROCESS + 1
        if memory:
            # Present backends are about to be allocated again, and receive the slots they had.
            self._services = memory["services"]
            self._left = {(s, b): (slot, left) for s, b, slot, left in memory["left"]}
            self._left |= {(s, b): (slot, clock()) for s, b, slot in memory["backends"]}
            self._removed, self._free = memory["removed"], memory["free"]
            self._used = memory["used"]

    def remember(self) -> dict[str, Any]:
        """The state that another process needs to continue, as plain values."""
        return {
            "services": self._services,
            "backends": [(*name, slot) for name, slot in self._backends.items()],
            "left": [(*name, *left) for name, left in self._left.items()],
            "removed": self._removed,
            "free": self._free,
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
        self._removed.pop(service, None)
        return self._slot_of(service)

    def forget(self, service: str) -> None:
        """Remove a service, after the release of its backends. It continues its counts if it returns soon."""
        self._slot_of(service)
        self._removed[service] = self._clock()

    def _slot_of(self, service: str) -> int:
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
        present = self._services.keys() - self._removed.keys()
        parts = {service: [self.shared.total(self._services[service])] for service in present}
        for (service, _), total in backends.items():
            parts.setdefault(service, []).append(total)
        for (service, _), (slot, _) in self._left.items():
            if service not in self._removed:
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
                self._empty(slot, into=self.shared.counters(self._slot_of(former[0])))
                return slot
        return self._next()

    def _next(self) -> int:
        """An empty slot: a former one if there is any."""
        latest = self._clock() - GRACE
        for service in [each for each, removed in self._removed.items() if removed <= latest]:
            self._end(service)
        if self._free:
            return self._free.pop()
        self._used += 1
        self.shared.gauge(PROCESS, SLOTS)[self.shared.row] = self._used
        return self._used - 1

    def _end(self, service: str) -> None:
        """Empty the slots of a removed service, unless a request is in flight."""
        left = {name: slot for name, (slot, _) in self._left.items() if name[0] == service}
        slots = [self._services[service], *left.values()]
        if any(any(self.shared.gauge(slot, IN_FLIGHT)) for slot in slots):
            return
        del self._removed[service], self._services[service]
        for name in left:
            del self._left[name]
        for slot in slots:
            self._empty(slot)
        self._free += slots

    def _empty(self, slot: int, *, into: memoryview | None = None) -> None:
        """Remove the counts of a slot, or move them. Only this row is written; it may become negative."""
        own = self.shared.counters(slot)
        for index, count in enumerate(self.shared.total(slot)):
            own[index] -= count
            if into is not None:
                into[index] += count
