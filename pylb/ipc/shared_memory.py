"""The counters and gauges as memory that all processes of one supervisor map."""

from __future__ import annotations

import os
from dataclasses import dataclass
from mmap import ALLOCATIONGRANULARITY, mmap

from pylb.observe.shared_counters import Memory, SharedCounters

EXTENT = 1 << 36
"""Size of each file in bytes. It is sparse: only written pages use memory. Therefore no process has to resize
it."""

GENERATIONS = 4
"""Maximum generations of workers at a time. While that many still drain, a reload waits, so that frequent
reloads cannot exhaust the memory."""


@dataclass(frozen=True, slots=True)
class SharedMemory:
    """Two files in memory, for counters and gauges.

    Args:
        counters: descriptor of the file of the counters.
        gauges: descriptor of the file of the gauges.
        workers: number of workers in a generation.
    """

    counters: int
    gauges: int
    workers: int

    @classmethod
    def create(cls, workers: int) -> SharedMemory:
        """Create empty files."""
        memory = cls(os.memfd_create("pylb counters"), os.memfd_create("pylb gauges"), workers)
        for descriptor in (memory.counters, memory.gauges):
            os.ftruncate(descriptor, EXTENT)
        return memory

    @property
    def worker_rows(self) -> range:
        """The rows of workers."""
        return range(GENERATIONS * self.workers)

    @property
    def control_row(self) -> int:
        """The row of control."""
        return GENERATIONS * self.workers

    @property
    def supervisor_row(self) -> int:
        """The row of the supervisor."""
        return GENERATIONS * self.workers + 1

    def attach(self, row: int) -> SharedCounters:
        """Map the counters for the process with this row."""
        rows = self.supervisor_row + 1
        return SharedCounters(
            rows=rows, row=row, counters=_mapping(self.counters), gauges=_mapping(self.gauges)
        )


def _mapping(descriptor: int) -> Memory:
    """Return a function that maps the next bytes of a file."""
    mapped = 0

    def following(size: int) -> mmap:
        nonlocal mapped
        offset = mapped
        mapped += -(-size // ALLOCATIONGRANULARITY) * ALLOCATIONGRANULARITY
        return mmap(descriptor, size, offset=offset)

    return following
