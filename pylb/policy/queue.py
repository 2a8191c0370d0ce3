"""A service's queue: requests that wait until a backend has capacity.

A backend may have a limit of requests (HAProxy's `maxconn`). When all backends are at their limit, further
requests wait here in order of arrival: while a request waits, a later one queues behind it. Length and
waiting time are limited, and beyond either the client receives 503, because a response after the client has
given up is wasted work.

With several processes, each has an equal share of every limit and of the queue's length. So no limit is ever
exceeded, processes need not coordinate, and a process that dies blocks nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from math import inf

from pylb.config.backends import Balancing
from pylb.errors import Fault, Phase, ProxyError
from pylb.model import Endpoint
from pylb.policy.backend import Backend


class Full(Exception):  # noqa: N818  # not an error: the request waits
    """All backends are at their limit of requests, or other requests are already waiting."""


class QueuedRequest:
    """A request that waits in the queue.

    Args:
        tried: backends that the request has failed on; it receives another one if that has capacity.
        wake: called when `backend` is set, and it must take a lease before it returns; also called when the
            queue is closed.
        only: the one backend that the request waits for, as long as that is eligible; None for any.
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
    """Waiting requests, in order of arrival.

    Args:
        options: how many requests a backend accepts at a time, how many others may wait, and for how long.
        processes: the number of processes that share these limits; each has at least one of everything.
    """

    def __init__(self, options: Balancing, processes: int = 1) -> None:
        self._processes = processes
        self._waiting: deque[QueuedRequest] = deque()
        self._serving = False
        self.closed = False
        """Whether the service was removed, so that no request receives a backend any more."""
        self.configure(options)

    def configure(self, options: Balancing) -> None:
        """Apply other options; requests that wait already continue to wait."""
        self.timeout = options.queue_timeout
        """Seconds that a request may wait."""
        self._max_conn = options.max_conn
        self._length = self._own_share(options.max_queue)

    def __len__(self) -> int:
        return len(self._waiting)

    def limit(self, endpoint: Endpoint) -> float:
        """Return how many requests this process may have on a backend at a time; `inf` for no limit."""
        most = self._max_conn if endpoint.max_conn is None else endpoint.max_conn
        return self._own_share(most) if most else inf

    def _own_share(self, number: int) -> int:
        """Return this process's share of a number that all processes share."""
        return max(number // self._processes, 1)

    def join(self, queued: QueuedRequest) -> None:
        """Append a request.

        Raises:
            ProxyError: the queue is full (503).
        """
        if len(self._waiting) >= self._length:
            raise ProxyError(Phase.QUEUE, Fault.RESOURCE, f"{self._length} requests wait already")
        self._waiting.append(queued)

    def leave(self, queued: QueuedRequest) -> None:
        """Remove a request that has no backend yet."""
        if queued.backend is None:
            self._waiting.remove(queued)

    def close(self) -> None:
        """Wake all requests, which receive no backend: the service was removed."""
        self.closed = True
        for queued in tuple(self._waiting):
            queued.wake()

    def serve(self, capacity: Callable[[QueuedRequest], Backend | None]) -> None:
        """Assign backends to queued requests in order, while there is capacity.

        A woken request runs immediately. If it fails as quickly and releases its backend, the pool calls
        `serve` again from within this call; the inner call returns at once, and the outer one continues.

        Args:
            capacity: returns a backend that has capacity for a request, or None.
        """
        if self._serving:
            return
        self._serving = True
        try:
            while (served := self._next(capacity)) is not None:
                queued, backend = served
                queued.backend = backend
                self._waiting.remove(queued)
                queued.wake()
        finally:
            self._serving = False

    def _next(
        self, capacity: Callable[[QueuedRequest], Backend | None]
    ) -> tuple[QueuedRequest, Backend] | None:
        """Return the first request that a backend has capacity for.

        A request for a single backend does not block later ones.
        """
        for queued in self._waiting:
            if (backend := capacity(queued)) is not None:
                return queued, backend
            if queued.only is None:
                break
        return None
