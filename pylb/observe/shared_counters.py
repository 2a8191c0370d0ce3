"""The memory in which counters and gauges lie: tables of integers that several processes can share.

Counters: a column of `CELLS` integers (a slot) per backend and per service, a row per process. A process
writes only its own row, so nobody locks; whoever wants a total adds the rows up.

Gauges: a few numbers per slot that say how it is now, each with its values from all processes side by side,
so that adding them up is one call: least-connections does that while it chooses.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from mmap import mmap
from typing import Any
from zlib import crc32

from pylb.observe import counter_layout, gauges
from pylb.observe.counter_layout import CELLS
from pylb.observe.gauges import (
    CLIENTS,
    CRASHED,
    GAUGES,
    HEARTBEAT,
    IN_FLIGHT,
    PROCESS,
    SERVES,
    SLOTS,
)

PAGE_SLOTS = 256
"""Slots per page of memory: 100 KB per row, so that a small installation stays small."""

Memory = Callable[[int], bytearray | mmap]
"""Makes so many zeroed bytes: `bytearray`, or something that maps shared memory."""


def _constants(module: Any) -> list[tuple[str, object]]:
    return sorted((name, value) for name, value in vars(module).items() if name.isupper())


LAYOUT = crc32(repr((PAGE_SLOTS, _constants(counter_layout), _constants(gauges))).encode())
"""Another number in each version of the program that would read the same memory differently."""


class SharedCounters:
    """Pages of slots. It grows by pages, cells never move.

    Args:
        rows: how many processes write.
        row: which of them this one is.
        counters: where a page of counters comes from; every process must get the same ones in the same order.
        gauges: likewise for gauges.
    """

    def __init__(
        self, *, rows: int = 1, row: int = 0, counters: Memory = bytearray, gauges: Memory = bytearray
    ) -> None:
        self.rows = rows
        self.row = row
        self._counters = Pages(counters, rows * PAGE_SLOTS * CELLS)
        self._gauges = Pages(gauges, rows * PAGE_SLOTS * GAUGES)

    def cells(self, slot: int) -> memoryview:
        """The counters of `slot` that this process writes."""
        return self._cells(slot, self.row)

    def total(self, slot: int) -> list[int]:
        """The counters of `slot`, added up over all processes."""
        return add([self._cells(slot, row).tolist() for row in range(self.rows)])

    def gauge(self, slot: int, which: int) -> memoryview:
        """One gauge of `slot`, as all processes have it: an item per row."""
        page, place = divmod(slot, PAGE_SLOTS)
        start = (place * GAUGES + which) * self.rows
        return self._gauges[page][start : start + self.rows]

    def beat(self, now: float) -> None:
        """Show that this process works. `now`: monotonic seconds."""
        self.gauge(PROCESS, HEARTBEAT)[self.row] = int(now * 1000)

    def heartbeat(self, row: int) -> int:
        """When a process last showed that it works, in monotonic milliseconds; 0: never."""
        return self.gauge(PROCESS, HEARTBEAT)[row]

    def forget(self, row: int) -> int:
        """A process has died: set its gauges back; return how many requests it had in flight."""
        lost = 0
        for slot in range(1, sum(self.gauge(PROCESS, SLOTS))):
            in_flight = self.gauge(slot, IN_FLIGHT)
            lost += in_flight[row]
            for which in range(GAUGES):
                self.gauge(slot, which)[row] = 0
        for which in (CLIENTS, SERVES, CRASHED, HEARTBEAT):
            self.gauge(PROCESS, which)[row] = 0
        return lost

    def _cells(self, slot: int, row: int) -> memoryview:
        page, place = divmod(slot, PAGE_SLOTS)
        start = (row * PAGE_SLOTS + place) * CELLS
        return self._counters[page][start : start + CELLS]


class Pages:
    """Pages of 64-bit integers, made when they are first used, one after the other.

    Args:
        memory: where they come from.
        length: integers per page.
    """

    def __init__(self, memory: Memory, length: int) -> None:
        self._memory = memory
        self._length = length
        self._pages: list[memoryview] = []

    def __getitem__(self, page: int) -> memoryview:
        while page >= len(self._pages):
            self._pages.append(memoryview(self._memory(self._length * 8)).cast("B").cast("q"))
        return self._pages[page]


def add(rows: Sequence[list[int]]) -> list[int]:
    """Cell by cell sum of one or more rows. Most are all zeros: control's own, and a small load's."""
    used = [row for row in rows if any(row)] or rows[:1]
    total = used[0]
    for row in used[1:]:
        total = list(map(operator.add, total, row))
    return total
