"""A service's queue: requests that wait until one of its backends has room.

A backend may have a limit of requests (HAProxy's `maxconn`). What comes when all are at theirs waits here, in
order, and nobody overtakes: while anybody waits, whoever comes gets in line. The queue has an end, and so has
patience; both turn into a 503, as an answer that comes after the client has given up is work for nothing.

With several processes each has an equal part of every limit and of the queue's length: so no limit is ever
exceeded, nobody has to be asked, and a process that dies blocks nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from math import inf

from pylb.errors import Fault, Phase, ProxyError
from pylb.model import Endpoint
from pylb.policy.backend import Backend


@dataclass(frozen=True, slots=True)
class QueueRules:
    """How many requests a backend gets at a time, and what becomes of the others."""

    most: int = 0
    """Requests on a backend, where its instance does not say; 0 for any number."""
    length: int = 1000
    """Requests of a service that may wait."""
    timeout: float = 5.0
    """Seconds that one may wait."""
    processes: int = 1
    """Among how many this is shared; each gets at least one of everything."""

    def limit(self, endpoint: Endpoint) -> float:
        """How many requests this process may have on a backend at a time."""
        most = self.most if endpoint.max_conn is None else endpoint.max_conn
        return self.part(most) if most else inf

    def part(self, number: int) -> int:
        """The part that this process has of what all of them share."""
        return max(number // self.processes, 1)


class Full(Exception):  # noqa: N818  # nothing is wrong: it is a reason to wait
    """All backends have as many requests as they may, or others wait already."""


class Waiter:
    """A place in the queue.

    Args:
        tried: backends that the request has failed on; it gets another one if that has room.
        wake: called when there is a backend for it; it must take a lease before it returns.
        only: the one backend that it waits for, as long as that may be picked; None for any.
    """

    __slots__ = ("backend", "only", "tried", "wake")

    def __init__(
        self, tried: Collection[Backend], wake: Callable[[], None], only: Backend | None = None
    ) -> None:
        self.tried = tried
        self.wake = wake
        self.only = only
        self.backend: Backend | None = None


class Queue:
    """Who waits, the first to come first.

    Args:
        rules: how many, and for how long.
    """

    def __init__(self, rules: QueueRules) -> None:
        self.rules = rules
        self._waiting: deque[Waiter] = deque()
        self._length = rules.part(rules.length)
        self._serving = False

    def __len__(self) -> int:
        return len(self._waiting)

    def join(self, waiter: Waiter) -> None:
        """Get in line.

        Raises:
            ProxyError: it is too long (503).
        """
        if len(self._waiting) >= self._length:
            raise ProxyError(Phase.QUEUE, Fault.RESOURCE, f"{self._length} requests wait already")
        self._waiting.append(waiter)

    def leave(self, waiter: Waiter) -> None:
        """Step out of the line, if still in it."""
        if waiter.backend is None:
            self._waiting.remove(waiter)

    def serve(self, room: Callable[[Waiter], Backend | None]) -> None:
        """Let in whom there is room for.

        Whoever is woken runs at once. If it fails as quickly and gives its place back, the call for that
        comes from within this one, and leaves the rest to it.

        Args:
            room: names a backend that has some for a ticket.
        """
        if self._serving:
            return
        self._serving = True
        try:
            while (served := self._next(room)) is not None:
                waiter, backend = served
                waiter.backend = backend
                self._waiting.remove(waiter)
                waiter.wake()
        finally:
            self._serving = False

    def _next(self, room: Callable[[Waiter], Backend | None]) -> tuple[Waiter, Backend] | None:
        """The first ticket for which there is room; one that waits for a single backend holds up no other."""
        for waiter in self._waiting:
            if (backend := room(waiter)) is not None:
                return waiter, backend
            if waiter.only is None:
                break
        return None
