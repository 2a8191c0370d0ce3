"""Writes the state of control for the next control process: after each change, less often if it takes long.

Rule: the state is written after a change was sent to the workers, so that no request waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

RECENT = 50
"""Entries of the history that are written after each change, for the case that the process is killed. Writing
all of them would take longer than the change; a process that ends normally writes all."""

WRITE_SHARE = 0.1
"""Maximum share of time for writes that take longer than `QUICK_WRITE`: with 1,000 services, the changes of
some milliseconds are written together."""

QUICK_WRITE = 0.003
"""Seconds of a write after which the next change is written at once."""


class StateWriter:
    """Writes the state soon after changes, once for several of them.

    Args:
        write: writes the state, with so many entries of the history; None for all.
        clock: monotonic seconds.
    """

    def __init__(self, write: Callable[[int | None], object], clock: Callable[[], float] = monotonic) -> None:
        self._write = write
        self._clock = clock
        self._scheduled: asyncio.Handle | None = None
        self._next = 0.0
        """When the state may be written again."""

    def write_soon(self) -> None:
        """Write the state in a later iteration of the event loop."""
        if self._scheduled is None:
            pause = max(0.0, self._next - self._clock())
            self._scheduled = asyncio.get_running_loop().call_later(pause, self.write)

    def write(self, entries: int | None = RECENT) -> None:
        """Write the state now.

        Args:
            entries: how many entries of the history are written, the newest ones; None for all.
        """
        if self._scheduled is not None:
            self._scheduled.cancel()
            self._scheduled = None
        began = self._clock()
        self._write(entries)
        ended = self._clock()
        taken = ended - began
        self._next = ended + taken / WRITE_SHARE if taken > QUICK_WRITE else 0.0
