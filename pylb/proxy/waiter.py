"""The interface of a coroutine with a deadline, for the code that wakes it.

In each sweep `Server` walks the waiters of a worker and expires those whose deadline has passed. Body pumps,
backend connections, name look-ups and queues wake the waiter that they work for. They use nothing else of a
client's connection, so they depend on these protocols and not on a class.

The module may not import any other module of `pylb.proxy`.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from pylb.errors import Phase, ProxyError


class Waiter(Protocol):
    """One coroutine that `await EVENT` suspends, its deadline, and the state that it checks when it resumes.

    HTTP/1 serves the requests of a connection in order, so a client connection is one waiter.
    """

    lost: bool
    """Whether the client has left. Then no wait is useful."""
    deadline: float
    """When the sweep sets `expired`, in monotonic seconds."""
    expired: bool
    """Whether the deadline has passed."""
    timeout: float
    """Seconds by which progress moves the deadline."""
    progressed: bool
    """Whether bytes of a body have moved since the last sweep."""

    def wake(self) -> None:
        """Resume the coroutine, which checks its state again. Spurious calls are harmless."""

    def woken(self, _: object) -> None:
        """Do the same as `wake`, in the form of a future's callback."""

    async def next_iteration(self) -> None:
        """Yield to the other connections, before work that does not wait otherwise."""

    def set_deadline(self, now: float, seconds: float) -> None:
        """Expire after that many seconds without progress."""

    def moved(self, now: float) -> None:
        """Move the deadline, because bytes of a body have moved."""

    def lost_error(self, phase: Phase) -> ProxyError:
        """Return the error of a request whose client has left in that phase."""


class Drainable(Waiter, Protocol):
    """The interface of an accepted connection for the server, which drains and closes it."""

    transport: asyncio.Transport
    idle: bool
    """Whether it waits for the first byte of a request."""
    close_after_response: bool
    """Whether the next response is the last."""
    cut_off: bool
    """Whether a shutdown has ended it."""
