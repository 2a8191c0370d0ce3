"""A coroutine that callbacks resume, and its deadline: what every exchange with a client has in common.

The coroutine is not a task. `await EVENT` suspends it, and `wake` resumes it; it checks its state again each
time. The class stores no state: its subclasses have the attributes (`proxy/waiter.py`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from time import monotonic
from typing import Protocol

from pylb.errors import CUT_OFF, Fault, Phase, ProxyError
from pylb.proxy.transfer import EVENT
from pylb.proxy.waiter import Waiter

log = logging.getLogger("pylb.proxy")


class State(Waiter, Protocol):
    """The attributes that a subclass of `Driven` stores."""

    latest_deadline: float
    """The moment beyond which progress does not postpone the deadline, in monotonic seconds."""
    taken: int
    """Bytes that the client had acknowledged when bytes last moved while the write buffer was full."""
    write_paused: bool
    """Whether the write buffer is full."""
    cut_off: bool
    """Whether a shutdown has ended it."""
    _busy: bool
    """Whether the coroutine runs, has not begun, or has ended."""
    _run_on: Callable[[None], object]
    """Resumes the coroutine."""

    def abort(self) -> None:
        """End at once."""

    def acknowledged(self) -> int:
        """Return the bytes that have left for the client so far."""


class Driven:
    """Drives one coroutine; a `Waiter`."""

    __slots__ = ()

    needs_http2 = False
    """Backends with any version of HTTP can serve the request."""

    def wake(self: State) -> None:
        """Resume the coroutine, which checks its state again. Spurious calls are harmless."""
        if self._busy:
            return
        self._busy = True
        try:
            self._run_on(None)
        except StopIteration:
            return  # The coroutine has ended. `_busy` stays set, so that it is not resumed again.
        except BaseException:
            log.exception("a defect ended a client's connection")
            self.abort()
            return
        self._busy = False

    def woken(self: State, _: object) -> None:
        """Do the same as `wake`, in the form of a future's callback."""
        self.wake()

    async def next_iteration(self: State) -> None:
        """Yield to the other connections, before work that does not wait otherwise."""
        asyncio.get_running_loop().call_soon(self.wake)
        await EVENT

    def set_deadline(self: State, now: float, seconds: float) -> None:
        """Expire, and resume the coroutine, after that many seconds without progress."""
        self.deadline = now + seconds
        self.timeout = seconds
        self.expired = self.progressed = False

    def moved(self: State, now: float) -> None:
        """Move the deadline, because bytes of a body have moved."""
        self.progressed = False
        self.deadline = min(now + self.timeout, self.latest_deadline)
        if self.write_paused:
            self.taken = self.acknowledged()

    def makes_progress(self: State, quota: float) -> bool:
        """Return True, and restart the timeout, if an expired client still reads fast enough.

        Args:
            quota: bytes that the client must have read: what `--min-body-rate` makes in the time that passed.
        """
        before, self.taken = self.taken, self.acknowledged()
        if self.taken - before < max(quota, 1):
            return False
        self.set_deadline(monotonic(), self.timeout)
        return True

    def lost_error(self: State, phase: Phase) -> ProxyError:
        """Return the reason why a request ended in that phase: the client left, or a shutdown cut it off."""
        if self.cut_off:
            return ProxyError(phase, Fault.KILLED, CUT_OFF)
        return ProxyError(phase, Fault.CLIENT, "the client left")
