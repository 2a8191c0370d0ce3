"""Where counters lie: a block of integers that several processes can share, and who owns which part of it.

The block is a table: a column of `CELLS` integers (a slot) per backend and per service, a row per process.
A process writes only its own row, so nobody locks; whoever wants a total adds the rows up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from mmap import mmap

from pylb.model import Endpoint
from pylb.observe.cells import CELLS

PAGE_SLOTS = 256
"""Slots per page of memory: 100 KB per row, so that a small installation stays small."""
GRACE = 60.0
"""Seconds for which the slot of a backend that went is not given to another one: its last requests may still
be counted."""

Memory = Callable[[int], bytearray | mmap]
"""Makes so many zeroed bytes: `bytearray`, or something that maps shared memory."""


class Block:
    """The memory: pages of slots, each with a row per process. It grows by pages, cells never move.

    Args:
        rows: how many processes write.
        row: which of them this one is.
        memory: where a page comes from; every process must get the same pages in the same order.
    """

    def __init__(self, *, rows: int = 1, row: int = 0, memory: Memory = bytearray) -> None:
        self.rows = rows
        self.row = row
        self._memory = memory
        self._pages: list[memoryview] = []

    def cells(self, slot: int) -> memoryview:
        """The cells of `slot` that this process writes."""
        return self._cells(slot, self.row)

    def total(self, slot: int) -> list[int]:
        """The cells of `slot`, added up over all processes."""
        return add([self._cells(slot, row).tolist() for row in range(self.rows)])

    def _cells(self, slot: int, row: int) -> memoryview:
        page, place = divmod(slot, PAGE_SLOTS)
        while page >= len(self._pages):
            size = self.rows * PAGE_SLOTS * CELLS * 8
            self._pages.append(memoryview(self._memory(size)).cast("B").cast("q"))
        start = (row * PAGE_SLOTS + place) * CELLS
        return self._pages[page][start : start + CELLS]


class Counters:
    """Who owns which slot. One process decides that, and tells the others the numbers.

    A service has a slot of its own for requests that reached no backend. What a backend counted is added to
    its service's slot when the backend's slot is given away, so that a service's totals only ever grow while
    instances come and go.

    Args:
        block: where the counters lie.
        clock: seconds that only grow.
    """

    def __init__(self, block: Block, clock: Callable[[], float]) -> None:
        self.block = block
        self._clock = clock
        self._services: dict[str, int] = {}
        self._backends: dict[tuple[str, str], int] = {}
        """By service and authority: a series that is shown must be told apart by what is shown of it."""
        self._users: Counter[tuple[str, str]] = Counter()
        self._left: dict[tuple[str, str], tuple[int, float]] = {}
        """Slots of backends that went, the first to go first, with the time at which they did."""
        self._used = 0

    def allocate(self, endpoint: Endpoint) -> memoryview:
        """The cells of a backend: for another one at its address, and when it comes back, the same again."""
        name = (endpoint.service, endpoint.authority)
        if name not in self._backends:
            self._backends[name] = self._slot_for(name)
        self._users[name] += 1
        return self.block.cells(self._backends[name])

    def release(self, endpoint: Endpoint) -> None:
        """Undo one `allocate`: this backend is gone, it counts nothing any more."""
        name = (endpoint.service, endpoint.authority)
        self._users[name] -= 1
        if not self._users[name]:
            del self._users[name]
            self._left[name] = (self._backends.pop(name), self._clock())

    def service(self, name: str) -> memoryview:
        """The cells for requests that reached no backend; `name` is "" if not even the service was known."""
        slot = self._services.get(name)
        if slot is None:
            slot = self._services[name] = self._next()
        return self.block.cells(slot)

    def read(self) -> tuple[dict[str, list[int]], dict[tuple[str, str], list[int]]]:
        """Totals by service, all its backends of now and before included, and by backend of now."""
        backends = {name: self.block.total(slot) for name, slot in self._backends.items()}
        parts = {service: [self.block.total(slot)] for service, slot in self._services.items()}
        for (service, _), total in backends.items():
            parts.setdefault(service, []).append(total)
        for (service, _), (slot, _) in self._left.items():
            parts.setdefault(service, []).append(self.block.total(slot))
        return {service: add(totals) for service, totals in parts.items()}, backends

    def _slot_for(self, name: tuple[str, str]) -> int:
        """The slot it had, one whose owner went long ago, or a new one."""
        if name in self._left:
            return self._left.pop(name)[0]
        oldest = next(iter(self._left), None)
        if oldest is not None and self._left[oldest][1] + GRACE <= self._clock():
            slot, _ = self._left.pop(oldest)
            self._empty(slot, into=self.service(oldest[0]))
            return slot
        return self._next()

    def _next(self) -> int:
        self._used += 1
        return self._used - 1

    def _empty(self, slot: int, *, into: memoryview) -> None:
        """Move a slot's counts to another one by writing to this process's row only, even below zero."""
        own = self.block.cells(slot)
        for cell, count in enumerate(self.block.total(slot)):
            own[cell] -= count
            into[cell] += count


def add(rows: Sequence[list[int]]) -> list[int]:
    """Cell by cell sum of one or more rows."""
    return rows[0] if len(rows) == 1 else list(map(sum, zip(*rows, strict=True)))
