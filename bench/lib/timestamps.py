"""When requests reached the origins: memory that an origin's process writes and the benchmark reads."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

_FIRST, _LAST = 0, 1
_SLOT = struct.calcsize("2d")


class Timestamps:
    """Monotonic times, in seconds, of the first and the last request to each of some ports.

    The clock is the machine's, the same for all processes. A missing file is made.
    """

    def __init__(self, path: Path, slots: int) -> None:
        if not path.exists():
            path.write_bytes(bytes(slots * _SLOT))
        with path.open("r+b") as file:
            self._times = memoryview(mmap.mmap(file.fileno(), slots * _SLOT)).cast("d")

    def mark(self, slot: int, now: float) -> None:
        """Note a request."""
        if not self._times[2 * slot + _FIRST]:
            self._times[2 * slot + _FIRST] = now
        self._times[2 * slot + _LAST] = now

    def forget(self, slot: int) -> None:
        """Begin anew; only while no request comes."""
        self._times[2 * slot + _LAST] = self._times[2 * slot + _FIRST] = 0.0

    def first(self, slot: int) -> float:
        """Time of the first request; 0 if there was none."""
        return self._times[2 * slot + _FIRST]

    def last(self, slot: int) -> float:
        """Time of the last request; 0 if there was none."""
        return self._times[2 * slot + _LAST]
