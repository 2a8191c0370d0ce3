"""The counters of a worker, which receives the assignment of slots from control."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import cast

from pylb.observe.gauges import (
    FAILURES,
    HTTP2_CONNECTIONS,
    HTTP2_REQUESTS,
    IDLE,
    IN_FLIGHT,
    PANICS,
    PROCESS,
    QUEUED,
    SERVES,
    STATE,
    UNTIL,
    WITHHELD,
)
from pylb.observe.shared_counters import SharedCounters
from pylb.policy.backend import Backend, State
from pylb.policy.pool import Pool
from pylb.policy.shared import SharedBackend, SharedPool

TRAFFIC_STATES = (State.UP, State.HALF_OPEN, State.SUSPECT, State.EJECTED)
"""The states of a backend by passive health checks, from good to bad."""

NO_SLOTS: Mapping[str, int] = {}


class WorkerCounters:
    """The counterpart of `Counters` in a worker: attaches counters to backends, but assigns no slots.

    Args:
        shared: the memory of the counters.
    """

    def __init__(self, shared: SharedCounters) -> None:
        self.shared = shared
        self._services: dict[str, memoryview] = {}
        self._places: dict[str, int] = {}
        self._slots: dict[str, Mapping[str, int]] = {}
        self._rows = shared.rows
        """The number of leading rows that workers use."""
        self._nowhere = memoryview(bytearray(shared.counters(PROCESS).nbytes)).cast("q")
        """Receives counts before slots are assigned; they are discarded."""

    def assign(self, service: str, slot: int, slots: Mapping[str, int]) -> None:
        """Store the slot of a service, and those of its backends by authority."""
        self._services[service] = self.shared.counters(slot)
        self._places[service] = slot
        self._slots[service] = slots

    def forget(self, service: str) -> None:
        """Remove the slots of a service whose backends are detached. Requests in flight still count."""
        for known in (self._services, self._places, self._slots):
            known.pop(service, None)

    def service(self, name: str) -> memoryview:
        """The counters of requests that reached no backend; `name` is "" if no service matched."""
        return self._services.get(name, self._nowhere)

    def attach(self, backend: Backend) -> None:
        """Attach the counters of a backend, and share its requests in flight with the other workers."""
        backend.counters = self.shared.counters(self._slots[backend.endpoint.service][backend.name])
        self._share(backend)

    def detach(self, backend: Backend) -> None:
        """Count remaining requests of a backend to its service. Other workers still see those in flight."""
        backend.counters = self.service(backend.endpoint.service)

    def meet(self, pools: Collection[Pool]) -> None:
        """Register this worker's row, and limit sums to the rows that workers use.

        The memory has more rows than workers, and each selection sums the requests of all rows.
        """
        serves = self.shared.gauge(PROCESS, SERVES)
        serves[self.shared.row] = True
        rows = [row for row, worker in enumerate(serves) if worker]
        if rows[-1] + 1 != self._rows:
            self._rows = rows[-1] + 1
            for pool in pools:
                for backend in pool.backends.values():
                    self._share(backend)
        for pool in pools:
            cast(SharedPool, pool).set_alone(alone=rows == [self.shared.row])

    def publish(self, backend: Backend) -> None:
        """Publish the state of a backend in this worker."""
        slot = self._slots.get(backend.endpoint.service, NO_SLOTS).get(backend.name)
        if slot is None or backend.state not in TRAFFIC_STATES:
            return
        shared, health = self.shared, backend.health
        up = backend.state is State.UP
        http2_connections, http2_streams = backend.http2
        for which, value in (
            (IDLE, len(backend.idle)),
            (HTTP2_CONNECTIONS, http2_connections),
            (HTTP2_REQUESTS, http2_streams),
            (STATE, TRAFFIC_STATES.index(backend.state)),
            (FAILURES, health.failures),
            (UNTIL, 0 if up else int(health.until * 1000)),
            (WITHHELD, round(1000 * (1 - backend.ramp_fraction))),
        ):
            shared.gauge(slot, which)[shared.row] = value

    def publish_pool(self, pool: Pool) -> None:
        """Publish the state of a pool in this worker."""
        shared, slot = self.shared, self._places[pool.service]
        shared.gauge(slot, PANICS)[shared.row] = pool.panics
        shared.gauge(slot, QUEUED)[shared.row] = len(pool.queue)

    def _share(self, backend: Backend) -> None:
        slot = self._slots[backend.endpoint.service][backend.name]
        in_flight = self.shared.gauge(slot, IN_FLIGHT)[: self._rows]
        cast(SharedBackend, backend).share(in_flight, self.shared.row)
