"""Times of requests at origins, in memory that the origins' process writes and the benchmark reads."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

_FIRST, _LAST = 0, 1
_SLOT = struct.calcsize("2d")


class Timestamps:
    """The monotonic times, in seconds, of the first and the last request to each origin.

    The monotonic clock is the same for all processes of the machine. A missing file is created.

    Args:
        path: the file that is mapped into memory.
        slots: the number of origins.
    """

    def __init__(self, path: Path, slots: int) -> None:
        if not path.exists():
            path.write_bytes(bytes(slots * _SLOT))
        with path.open("r+b") as file:
            self._times = memoryview(mmap.mmap(file.fileno(), slots * _SLOT)).cast("d")

    def mark(self, slot: int, now: float) -> None:
        """Record a request."""
        if not self._times[2 * slot + _FIRST]:
            self._times[2 * slot + _FIRST] = now
        self._times[2 * slot + _LAST] = now

    def forget(self, slot: int) -> None:
        """Clear both times. Call it only while no request arrives."""
        self._times[2 * slot + _LAST] = self._times[2 * slot + _FIRST] = 0.0

    def first(self, slot: int) -> float:
        """Time of the first request; 0 if there is none."""
        return self._times[2 * slot + _FIRST]

    def last(self, slot: int) -> float:
        """Time of the last request; 0 if there is none."""
        return self._times[2 * slot + _LAST]
