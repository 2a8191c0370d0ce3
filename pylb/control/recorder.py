"""Keeps history and samples up to date, from the control plane; requests pay nothing for it."""

from __future__ import annotations

import asyncio
from time import process_time, time

from pylb.model import Snapshot
from pylb.observe.counter_layout import ATTEMPTS
from pylb.observe.counters import Counters
from pylb.observe.gauges import IN_FLIGHT
from pylb.observe.history import Entry, History, name
from pylb.observe.samples import PERIOD, Samples
from pylb.runtime.lifecycle import TaskScope, keep_running, spawn

SHARE = 0.01
"""Of the process's time that taking samples may use: with very many backends they are taken less often."""
FIRST_LOOK = 0.001
"""Seconds from a change to the first look whether a request has followed it; each next one takes longer, so
that the error is a fifth of what is measured."""
SLOWER = 1.2
PATIENCE = 60.0
"""Seconds after which a request that comes says nothing about the change any more."""


class Recorder:
    """Writes down what the control plane does, and what traffic makes of it.

    Args:
        counters: the traffic.
    """

    def __init__(self, counters: Counters) -> None:
        self.history = History()
        self.samples = Samples(counters)
        self._counters = counters
        self._owner: TaskScope | None = None

    def start(self, owner: TaskScope) -> None:
        """Take samples until the owner ends."""
        self._owner = owner
        keep_running(self._sample, name="samples", owner=owner)

    def applied(self, entry: Entry, snapshot: Snapshot) -> None:
        """All workers go by the snapshot now."""
        self.history.was_applied(entry, time())
        recent = self.samples.services.get(snapshot.service)
        added = {e.authority for e in snapshot.endpoints if name(e) in entry.added}
        if self._owner and added and recent and recent[-1].requests:
            total = self._counters.block.total
            before = {
                slot: total(slot)[ATTEMPTS]
                for address, slot in self._counters.slots(entry.service).items()
                if address in added
            }
            spawn(self._routed(entry, before), name=f"routed {entry.service}", owner=self._owner)

    async def _sample(self) -> None:
        while True:
            started = process_time()
            self.samples.take(time())
            await asyncio.sleep(max(PERIOD, (process_time() - started) / SHARE))

    async def _routed(self, entry: Entry, before: dict[int, int]) -> None:
        """Wait for the first request on one of the slots. `before`: attempts on each so far."""
        block = self._counters.block
        pause = FIRST_LOOK
        while time() < entry.time + PATIENCE:
            await asyncio.sleep(pause)
            if any(
                any(block.gauge(slot, IN_FLIGHT)) or block.total(slot)[ATTEMPTS] > count
                for slot, count in before.items()
            ):
                self.history.was_routed(entry, time())
                return
            pause *= SLOWER
