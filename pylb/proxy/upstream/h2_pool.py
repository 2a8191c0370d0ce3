"""The connections with HTTP/2 to one backend: which one carries the next exchange, and who opens another.

A client takes the connection with the fewest exchanges that has room. If there is none, the client joins the
others that wait for a connection that is being opened, or opens one. It never waits while one has room.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from pylb.errors import Fault, Phase, ProxyError
from pylb.http1.head_cache import ResponseReader
from pylb.policy.backend import Backend
from pylb.proxy.batch import WriteBatch
from pylb.proxy.transfer import EVENT
from pylb.proxy.upstream.h2_connection import BackendConnection
from pylb.proxy.upstream.reach import Waiting
from pylb.proxy.upstream.upstream import Upstream
from pylb.proxy.waiter import Waiter

MAX_CONNECTIONS = 16
"""Connections of one worker to one backend."""


class H2Pool:
    """The connections of one worker to one backend.

    Args:
        backend: the backend.
        batch: writes the frames of the connections, and wakes clients.
    """

    def __init__(self, backend: Backend, batch: WriteBatch) -> None:
        self._backend = backend
        self._batch = batch
        self._connections: list[BackendConnection] = []
        """Those that may carry new exchanges now or later."""
        self._waiting: deque[Waiter] = deque()
        self._opening = False
        self._failures = 0
        """Number of failures to open a connection."""
        self._failure: ProxyError | None = None
        self.uses_http1 = False
        """Whether the backend has chosen HTTP/1.1."""

    def make(self, responses: ResponseReader, *, tls: bool) -> BackendConnection:
        """Return the protocol of a new connection."""
        return BackendConnection(
            self._backend,
            self._batch,
            responses,
            tls=tls,
            changed=self._wake,
            closed=self._discard,
            needs_http1=self._set_http1,
        )

    def add(self, connection: BackendConnection, client: Waiter) -> Upstream:
        """Let a new connection carry exchanges; return the first one, which is that of a client."""
        self._connections.append(connection)
        return connection.begin(client)

    def begin(self, client: Waiter) -> Upstream | None:
        """Return an exchange on the connection with the fewest of them; None if none has room."""
        chosen: BackendConnection | None = None
        for connection in self._connections:
            if connection.room > 0 and (chosen is None or connection.active < chosen.active):
                chosen = connection
        return None if chosen is None else chosen.begin(client)

    async def connect(self, waiting: Waiting, open_one: Callable[[], Awaitable[Upstream]]) -> Upstream | None:
        """Return an exchange; None once the backend has chosen HTTP/1.1.

        Args:
            waiting: the waiter of the exchange, and its deadline.
            open_one: opens a connection, and returns the first exchange on it.

        Raises:
            ProxyError: no connection can be opened, or none had room in time.
        """
        failures = self._failures
        while not self.uses_http1:
            if (upstream := self.begin(waiting.client)) is not None:
                return upstream
            if self._failure is not None and failures != self._failures:
                raise ProxyError(self._failure.phase, self._failure.fault, self._failure.detail)
            if self._may_open:
                return await self._open(open_one)
            self._check(waiting)
            self._waiting.append(waiting.client)
            try:
                await EVENT
            finally:
                if waiting.client in self._waiting:
                    self._waiting.remove(waiting.client)
        return None

    def usage(self) -> tuple[int, int]:
        """Return the number of open connections, and of the exchanges on them. Closing ones count, too."""
        active = [each.active for each in self._backend.connections if isinstance(each, BackendConnection)]
        return len(active), sum(active)

    def tick(self, now: float, idle_before: float) -> None:
        """Close connections that are idle since before a moment, or whose backend is dead."""
        for connection in tuple(self._connections):
            connection.tick(now, idle_before)

    @property
    def _may_open(self) -> bool:
        """Whether another connection may be opened. The limit of a new one is unknown until its SETTINGS."""
        if self._opening or len(self._connections) >= MAX_CONNECTIONS:
            return False
        return all(connection.session.settled for connection in self._connections)

    async def _open(self, open_one: Callable[[], Awaitable[Upstream]]) -> Upstream:
        self._opening = True
        try:
            return await open_one()
        except ProxyError as error:
            if error.fault in {Fault.UPSTREAM, Fault.UPSTREAM_TIMEOUT}:
                self._failures += 1
                self._failure = error
            raise
        finally:
            self._opening = False
            self._wake()

    def _check(self, waiting: Waiting) -> None:
        """Check whether the exchange is still wanted, and in time."""
        client = waiting.client
        if client.expired and not client.lost and self._connections and not self._opening:
            detail = f"{waiting.name}: no stream was free for {client.timeout:g} s"
            raise ProxyError(Phase.QUEUE, Fault.RESOURCE, detail)
        waiting.check()

    def _wake(self) -> None:
        """Wake those clients that can begin, and one that can open a connection; after a failure, all."""
        waiting = self._waiting
        if not waiting:
            return
        if self.uses_http1 or (self._failure is not None and not self._connections):
            count = len(waiting)
        else:
            count = sum(max(0, connection.room) for connection in self._connections) + self._may_open
        while waiting and count:
            self._batch.wake(waiting.popleft())
            count -= 1

    def _discard(self, connection: BackendConnection) -> None:
        if connection in self._connections:
            self._connections.remove(connection)
            self._wake()

    def _set_http1(self) -> None:
        self.uses_http1 = True
        self._wake()


def pool_of(backend: Backend, batch: WriteBatch) -> H2Pool:
    """Return the pool of a backend, which is made with its first connection."""
    pool: Any = backend.multiplexed
    if pool is None:
        pool = backend.multiplexed = H2Pool(backend, batch)
    found: H2Pool = pool
    return found
