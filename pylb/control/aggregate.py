"""What control shows of the workers: their pools, with what all of them together have on each backend."""

from __future__ import annotations

from collections.abc import Iterable
from time import monotonic

from pylb.assembly.pools import make_pool
from pylb.config import Options
from pylb.ipc.update import Update
from pylb.model import Endpoint, PoolState
from pylb.observe.counters import Counters
from pylb.observe.gauges import FAILURES, IDLE, IN_FLIGHT, PANICS, QUEUED, STATE, UNTIL
from pylb.observe.worker_counters import TRAFFIC_STATES
from pylb.policy.backend import Backend, State
from pylb.policy.pool import Pool


class Aggregate:
    """Pools that nobody picks from: they follow the snapshots, and get their numbers from shared memory.

    Args:
        options: how the pools would choose.
        services: the services.
        counters: gives each backend its slot.
    """

    def __init__(self, options: Options, services: Iterable[str], counters: Counters) -> None:
        self.pools = {service: make_pool(Pool, service, options) for service in services}
        self._counters = counters
        self._slots: dict[Backend, int] = {}

    def apply(self, state: PoolState) -> None:
        """Take over a snapshot; the slots of backends come and go with them."""
        self.refresh()
        pool = self.pools[state.service]
        change = pool.apply(state)
        pool.untested.clear()  # The workers introduce them.
        for backend in change.removed:
            self._counters.detach(backend)
        for backend in change.added:
            self._counters.attach(backend)
        slots = self._counters.slots(state.service)
        self._slots |= {backend: slots[backend.name] for backend in change.added}
        self._forget_gone()

    def update(self, service: str) -> Update:
        """What workers have to know of a service."""
        counters = self._counters
        state = self.pools[service].applied if service else None
        return Update(service, counters.slot(service), counters.slots(service), state)

    def state_of(self, endpoint: Endpoint) -> State:
        """Where the requests of any worker have put an instance."""
        backend = self.pools[endpoint.service].backends.get((endpoint.key, endpoint.authority))
        if backend is None or backend.state not in TRAFFIC_STATES:
            return State.GONE
        return TRAFFIC_STATES[max(self._counters.block.gauge(self._slots[backend], STATE))]

    def refresh(self) -> None:
        """Look at what the workers have in flight, how backends stand there, and which ones have drained."""
        block = self._counters.block
        for backend, slot in self._slots.items():
            backend.count(sum(block.gauge(slot, IN_FLIGHT)) - backend.inflight)
            backend.idle = [None] * sum(block.gauge(slot, IDLE))
            if backend.state in TRAFFIC_STATES:
                backend.state = TRAFFIC_STATES[max(block.gauge(slot, STATE))]
                backend.health.failures = max(block.gauge(slot, FAILURES))
                backend.health.until = max(block.gauge(slot, UNTIL)) / 1000
        for pool in self.pools.values():
            for backend in [b for b in pool.draining.values() if not b.inflight]:
                pool.forget(backend)
            pool.tick(monotonic())
            pool.rebuild()
            slot = self._counters.slot(pool.service)
            pool.panics = any(block.gauge(slot, PANICS))
            pool.waiting_elsewhere = sum(block.gauge(slot, QUEUED))
        self._forget_gone()

    def _forget_gone(self) -> None:
        shown = {
            backend
            for pool in self.pools.values()
            for backend in (*pool.backends.values(), *pool.draining.values())
        }
        self._slots = {backend: slot for backend, slot in self._slots.items() if backend in shown}
