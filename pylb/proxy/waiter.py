"""The interface of a coroutine with a deadline, for the code that wakes it.

In each sweep `Server` walks the waiters of a worker and expires those whose deadline has passed. Body pumps,
backend connections, name look-ups and queues wake the waiter that they work for. They use nothing else of a
client's connection, so they depend on these protocols and not on a class.

The module may not import any other module of `pylb.proxy`.
"""

from __future__ import annotations

from typing import Protocol

from pylb.errors import Phase, ProxyError


class Expiring(Protocol):
    """What the sweep uses of everything that has a deadline."""

    deadline: float
    """When the sweep sets `expired`, in monotonic seconds."""
    expired: bool
    """Whether the deadline has passed."""
    progressed: bool
    """Whether bytes of a body have moved since the last sweep."""

    def moved(self, now: float) -> None:
        """Move the deadline, because bytes of a body have moved."""

    def wake(self) -> None:
        """Check the state again. Spurious calls are harmless."""


class Waiter(Expiring, Protocol):
    """One coroutine that `await EVENT` suspends, its deadline, and the state that it checks when it resumes.

    HTTP/1 serves the requests of a connection in order, so a client connection is one waiter. With HTTP/2
    each stream is one.
    """

    lost: bool
    """Whether the client has left. Then no wait is useful."""
    timeout: float
    """Seconds by which progress moves the deadline."""

    @property
    def needs_http2(self) -> bool:
        """Whether a backend with HTTP/1.1 cannot serve the request: a call of gRPC."""

    def woken(self, _: object) -> None:
        """Do the same as `wake`, in the form of a future's callback."""

    async def next_iteration(self) -> None:
        """Yield to the other connections, before work that does not wait otherwise."""

    def set_deadline(self, now: float, seconds: float) -> None:
        """Expire after that many seconds without progress."""

    def lost_error(self, phase: Phase) -> ProxyError:
        """Return the error of a request whose client has left in that phase."""


class Drainable(Expiring, Protocol):
    """The interface of an accepted connection for the server, which drains and closes it."""

    def drain(self, now: float, idle: float) -> None:
        """Let the requests in progress be the last; an idle client may begin one for `idle` more seconds."""

    def cut_all(self) -> None:
        """Mark everything on the connection as ended by a shutdown, and wake nothing."""

    def abort(self) -> None:
        """Wake what was cut off, and close the connection at once."""


class Timed(Protocol):
    """What each sweep informs of the time."""

    def tick(self, now: float) -> None:
        """Do what is due.

        Args:
            now: the time in monotonic seconds.
        """
