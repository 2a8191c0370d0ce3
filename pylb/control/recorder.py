"""Records changes and traffic: the history and the samples. Requests do no work for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from time import process_time, time

from pylb.model import PoolState
from pylb.observe.counter_layout import ATTEMPTS
from pylb.observe.counters import Counters
from pylb.observe.gauges import IN_FLIGHT
from pylb.observe.history import Entry, History, name
from pylb.observe.samples import PERIOD, Samples
from pylb.runtime.lifecycle import TaskScope, keep_running, spawn

SHARE = 0.01
"""Maximum ratio of the process's time for samples: with very many backends they are taken less often."""
FIRST_CHECK = 0.001
"""Seconds from a change to the first check for a request to an added instance."""
SLOWER = 1.2
"""Factor between two pauses: the error of the measured time is a fifth at most."""
ROUTED_TIMEOUT = 60.0
"""Seconds after which a first request is no longer attributed to the change."""


class Recorder:
    """Records the changes of pools, and how soon traffic follows them.

    Args:
        counters: the counters of traffic.
    """

    def __init__(self, counters: Counters) -> None:
        self.history = History()
        self.samples = Samples(counters)
        self._counters = counters
        self._scope: TaskScope | None = None

    def start(self, scope: TaskScope) -> None:
        """Take samples until the scope closes."""
        self._scope = scope
        keep_running(self._sample, name="samples", scope=scope)

    def forget(self, service: str) -> None:
        """Discard what is recorded by service, of one that is removed. The entries of its changes stay."""
        self.history.forget(service)
        self.samples.forget(service)

    def record(self, state: PoolState) -> Callable[[], None]:
        """Record a state that is about to be delivered; return what to call when all workers apply it."""
        return partial(self._applied, self.history.record(state), state)

    def record_routes(self, generation: int, cause: str) -> Callable[[], None]:
        """Record a change of the routes before it is sent; return what to call when all workers use it."""
        entry = self.history.record_routes(generation, cause, time())
        return lambda: self.history.was_applied(entry, time())

    def _applied(self, entry: Entry, state: PoolState) -> None:
        self.history.was_applied(entry, time())
        recent = self.samples.services.get(state.service)
        added = {e.authority for e in state.endpoints if name(e) in entry.added}
        if self._scope and added and recent and recent[-1].requests:
            total = self._counters.shared.total
            before = {
                slot: total(slot)[ATTEMPTS]
                for address, slot in self._counters.slots(entry.service).items()
                if address in added
            }
            spawn(self._routed(entry, before), name=f"routed {entry.service}", scope=self._scope)

    async def _sample(self) -> None:
        while True:
            started = process_time()
            self.samples.take(time())
            await asyncio.sleep(max(PERIOD, (process_time() - started) / SHARE))

    async def _routed(self, entry: Entry, before: dict[int, int]) -> None:
        """Wait for the first request to an added instance. `before`: attempts so far, by slot."""
        shared = self._counters.shared
        pause = FIRST_CHECK
        while time() < entry.time + ROUTED_TIMEOUT:
            await asyncio.sleep(pause)
            if any(
                any(shared.gauge(slot, IN_FLIGHT)) or shared.total(slot)[ATTEMPTS] > count
                for slot, count in before.items()
            ):
                self.history.was_routed(entry, time())
                return
            pause *= SLOWER
