"""The block of counters and gauges as memory that all processes of one supervisor map."""

from __future__ import annotations

import os
from dataclasses import dataclass
from mmap import ALLOCATIONGRANULARITY, mmap

from pylb.observe.shared_counters import Memory, SharedCounters

EXTENT = 1 << 36
"""Bytes that a file may come to hold. It is sparse: only what was written takes memory. So no process has to
make it longer, and none can make it shorter."""

GENERATIONS = 4
"""Generations of workers that can be alive at a time. While that many finish their requests, a reload waits:
no storm of reloads can fill the memory."""


@dataclass(frozen=True, slots=True)
class SharedMemory:
    """Two files in memory.

    Args:
        counters: descriptor of the one with the counters.
        gauges: descriptor of the one with the gauges.
        workers: how many workers a generation has.
    """

    counters: int
    gauges: int
    workers: int

    @classmethod
    def create(cls, workers: int) -> SharedMemory:
        """Make empty ones."""
        memory = cls(os.memfd_create("pylb counters"), os.memfd_create("pylb gauges"), workers)
        for descriptor in (memory.counters, memory.gauges):
            os.ftruncate(descriptor, EXTENT)
        return memory

    @property
    def worker_rows(self) -> range:
        """Rows for workers."""
        return range(GENERATIONS * self.workers)

    @property
    def control_row(self) -> int:
        """Control's."""
        return GENERATIONS * self.workers

    @property
    def supervisor_row(self) -> int:
        """The supervisor's."""
        return GENERATIONS * self.workers + 1

    def block(self, row: int) -> SharedCounters:
        """The block, for the process that has this row."""
        rows = self.supervisor_row + 1
        return SharedCounters(
            rows=rows, row=row, counters=_mapping(self.counters), gauges=_mapping(self.gauges)
        )


def _mapping(descriptor: int) -> Memory:
    """Maps a file, piece by piece, from its beginning."""
    mapped = 0

    def following(size: int) -> mmap:
        nonlocal mapped
        offset = mapped
        mapped += -(-size // ALLOCATIONGRANULARITY) * ALLOCATIONGRANULARITY
        return mmap(descriptor, size, offset=offset)

    return following
