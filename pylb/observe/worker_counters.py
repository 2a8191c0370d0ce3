"""The counters of a process that is told which slot is whose."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

from pylb.observe.gauges import FAILURES, IDLE, IN_FLIGHT, PANICS, PROCESS, QUEUED, SERVES, STANDING, UNTIL
from pylb.observe.shared_counters import SharedCounters
from pylb.policy.backend import Backend, State
from pylb.policy.pool import Pool
from pylb.policy.shared import SharedBackend

STANDINGS = (State.UP, State.HALF_OPEN, State.SUSPECT, State.EJECTED)
"""Where traffic can put a backend, from good to bad."""


class WorkerCounters:
    """Does for a worker what `Counters` does for the process that decides.

    Args:
        block: where the counters lie.
    """

    def __init__(self, block: SharedCounters) -> None:
        self.block = block
        self._services: dict[str, memoryview] = {}
        self._places: dict[str, int] = {}
        self._slots: dict[str, Mapping[str, int]] = {}
        self._rows = block.rows
        """How many rows, from the first on, are those of workers."""
        self._nowhere = memoryview(bytearray(block.cells(PROCESS).nbytes)).cast("q")
        """For what is counted before anything was assigned: it is lost."""

    def assign(self, service: str, slot: int, slots: Mapping[str, int]) -> None:
        """Take note of a service's slot, and of those of its backends by authority."""
        self._services[service] = self.block.cells(slot)
        self._places[service] = slot
        self._slots[service] = slots

    def service(self, name: str) -> memoryview:
        """The cells for requests that reached no backend; `name` is "" if not even the service was known."""
        return self._services.get(name, self._nowhere)

    def attach(self, backend: Backend) -> None:
        """Give a backend its cells, and let other workers see what it has in flight."""
        backend.cells = self.block.cells(self._slots[backend.endpoint.service][backend.name])
        self._share(backend)

    def detach(self, backend: Backend) -> None:
        """What still runs there is counted to its service; others see it until it has ended."""
        backend.cells = self.service(backend.endpoint.service)

    def meet(self, pools: Iterable[Pool]) -> None:
        """Be one of the workers, and find out which others there are.

        The memory has room for many more, and a pick looks at the requests of each.
        """
        serves = self.block.gauge(PROCESS, SERVES)
        serves[self.block.row] = True
        rows = max(row for row, worker in enumerate(serves, 1) if worker)
        if rows != self._rows:
            self._rows = rows
            for pool in pools:
                for backend in pool.backends.values():
                    self._share(backend)

    def publish(self, backend: Backend) -> None:
        """Let others see how it stands here."""
        slot = self._slots[backend.endpoint.service].get(backend.name)
        if slot is None or backend.state not in STANDINGS:
            return
        block, health = self.block, backend.health
        up = backend.state is State.UP
        for which, value in (
            (IDLE, len(backend.idle)),
            (STANDING, STANDINGS.index(backend.state)),
            (FAILURES, health.failures),
            (UNTIL, 0 if up else int(health.until * 1000)),
        ):
            block.gauge(slot, which)[block.row] = value

    def publish_pool(self, pool: Pool) -> None:
        """Let others see how a pool stands here."""
        block, slot = self.block, self._places[pool.service]
        block.gauge(slot, PANICS)[block.row] = pool.panics
        block.gauge(slot, QUEUED)[block.row] = len(pool.queue)

    def _share(self, backend: Backend) -> None:
        slot = self._slots[backend.endpoint.service][backend.name]
        in_flight = self.block.gauge(slot, IN_FLIGHT)[: self._rows]
        cast(SharedBackend, backend).share(in_flight, self.block.row)
