"""The memory of counters and gauges: tables of integers that several processes can share.

Counters: a slot of `SLOT_LENGTH` integers per backend and per service, and a row per process. A process
writes only its own row, so no locks are needed; a total is the sum of the rows.

Gauges: a few current values per slot. The values of all processes are adjacent, so that a sum is one call:
least-connections sums them for each selection.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from mmap import mmap
from typing import Any
from zlib import crc32

from pylb.observe import counter_layout, gauges
from pylb.observe.counter_layout import SLOT_LENGTH
from pylb.observe.gauges import GAUGES, HEARTBEAT, IN_FLIGHT, PROCESS, SLOTS

PAGE_SLOTS = 256
"""Slots per page of memory: 100 KB per row, which keeps small installations small."""

Memory = Callable[[int], bytearray | mmap]
"""Allocates that many zeroed bytes: `bytearray`, or a function that maps shared memory."""


def _constants(module: Any) -> list[tuple[str, object]]:
    without = {"COUNTERS", "PROCESS_GAUGES"}  # A help text is no layout.
    names = sorted(name for name in vars(module) if name.isupper() and name not in without)
    return [(name, getattr(module, name)) for name in names]


LAYOUT = crc32(repr((PAGE_SLOTS, _constants(counter_layout), _constants(gauges))).encode())
"""Identifies the memory layout: versions of the program with different layouts have different numbers."""


class SharedCounters:
    """Pages of slots. Pages are added on demand; counters never move.

    Args:
        rows: the number of writing processes.
        row: the row of this process.
        counters: allocates a page of counters. All processes must receive the same pages in the same order.
        gauges: allocates a page of gauges, likewise.
    """

    def __init__(
        self, *, rows: int = 1, row: int = 0, counters: Memory = bytearray, gauges: Memory = bytearray
    ) -> None:
        self.rows = rows
        self.row = row
        self._counters = Pages(counters, rows * PAGE_SLOTS * SLOT_LENGTH)
        self._gauges = Pages(gauges, rows * PAGE_SLOTS * GAUGES)

    def counters(self, slot: int) -> memoryview:
        """The counters of `slot` that this process writes."""
        return self._slice(slot, self.row)

    def total(self, slot: int) -> list[int]:
        """The counters of `slot`, summed over all processes."""
        return add([self._slice(slot, row).tolist() for row in range(self.rows)])

    def gauge(self, slot: int, which: int) -> memoryview:
        """One gauge of `slot`, with an item per process."""
        page, place = divmod(slot, PAGE_SLOTS)
        start = (place * GAUGES + which) * self.rows
        return self._gauges[page][start : start + self.rows]

    def beat(self, now: float) -> None:
        """Write the heartbeat of this process. `now`: monotonic seconds."""
        self.gauge(PROCESS, HEARTBEAT)[self.row] = int(now * 1000)

    def heartbeat(self, row: int) -> int:
        """The last heartbeat of a process, in monotonic milliseconds; 0 if there was none."""
        return self.gauge(PROCESS, HEARTBEAT)[row]

    def forget(self, row: int) -> int:
        """Reset the gauges of a process that has died; return its requests in flight."""
        lost = 0
        for slot in range(1, sum(self.gauge(PROCESS, SLOTS))):
            in_flight = self.gauge(slot, IN_FLIGHT)
            lost += in_flight[row]
            for which in range(GAUGES):
                self.gauge(slot, which)[row] = 0
        for which in range(GAUGES):
            if which != SLOTS:
                self.gauge(PROCESS, which)[row] = 0
        return lost

    def _slice(self, slot: int, row: int) -> memoryview:
        page, place = divmod(slot, PAGE_SLOTS)
        start = (row * PAGE_SLOTS + place) * SLOT_LENGTH
        return self._counters[page][start : start + SLOT_LENGTH]


class Pages:
    """Pages of 64-bit integers, allocated in order when first used.

    Args:
        memory: allocates a page.
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
    """The element-wise sum of one or more rows. Most rows are all zeros, such as control's."""
    used = [row for row in rows if any(row)] or rows[:1]
    total = used[0]
    for row in used[1:]:
        total = list(map(operator.add, total, row))
    return total
