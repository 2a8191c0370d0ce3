"""What control shows of the workers: the pools, with the figures of all workers together.

Rule: a change of one pool does no work for the others; with 1,000 services that would take longer than the
change itself.
"""

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
    """Pools that apply the same states as the workers, and read their figures from shared memory.

    Args:
        options: the options of pools.
        services: the names of the services.
        counters: assigns a slot of the counters to each backend.
    """

    def __init__(self, options: Options, services: Iterable[str], counters: Counters) -> None:
        self.pools = {service: make_pool(Pool, service, options) for service in services}
        self._counters = counters
        self._slots: dict[Backend, int] = {}

    def apply(self, state: PoolState) -> None:
        """Apply the state of a pool; assign and release the slots of its backends."""
        pool = self.pools[state.service]
        self._refresh(pool, monotonic())
        change = pool.apply(state)
        pool.untested.clear()  # The workers send first requests.
        for backend in change.removed:
            self._counters.detach(backend)
            if backend.state is State.GONE:
                del self._slots[backend]
        for backend in change.added:
            self._counters.attach(backend)
        slots = self._counters.slots(state.service)
        self._slots |= {backend: slots[backend.name] for backend in change.added}

    def update(self, service: str) -> Update:
        """Return the message with the state of a service for workers."""
        counters = self._counters
        state = self.pools[service].applied if service else None
        return Update(service, counters.slot(service), counters.slots(service), state)

    def state_of(self, endpoint: Endpoint) -> State:
        """Return the worst state of an instance in any worker, according to requests."""
        backend = self.pools[endpoint.service].backends.get((endpoint.key, endpoint.authority))
        if backend is None or backend.state not in TRAFFIC_STATES:
            return State.GONE
        return TRAFFIC_STATES[max(self._counters.block.gauge(self._slots[backend], STATE))]

    def refresh(self) -> None:
        """Read the figures of all pools."""
        now = monotonic()
        for pool in self.pools.values():
            self._refresh(pool, now)

    def _refresh(self, pool: Pool, now: float) -> None:
        """Read requests in flight, idle connections and states from the workers; forget drained backends."""
        block = self._counters.block
        for backend in (*pool.backends.values(), *pool.draining.values()):
            slot = self._slots[backend]
            backend.count(sum(block.gauge(slot, IN_FLIGHT)) - backend.inflight)
            backend.idle = [None] * sum(block.gauge(slot, IDLE))
            if backend.state in TRAFFIC_STATES:
                backend.state = TRAFFIC_STATES[max(block.gauge(slot, STATE))]
                backend.health.failures = max(block.gauge(slot, FAILURES))
                backend.health.until = max(block.gauge(slot, UNTIL)) / 1000
        for backend in [each for each in pool.draining.values() if not each.inflight]:
            pool.forget(backend)
            del self._slots[backend]
        pool.tick(now)
        pool.rebuild()
        slot = self._counters.slot(pool.service)
        pool.panics = any(block.gauge(slot, PANICS))
        pool.waiting_elsewhere = sum(block.gauge(slot, QUEUED))
