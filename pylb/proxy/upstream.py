"""Connections to backends: opened, kept while idle, noticed when they die."""

from __future__ import annotations

import asyncio
import os
import select
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pylb.policy.backend import Backend, State
from pylb.proxy.batch import INLINE_LIMIT
from pylb.proxy.pending_transport import PendingTransport
from pylb.proxy.transfer import Connection

if TYPE_CHECKING:
    from pylb.proxy.downstream import Downstream

UP = State.UP  # Python 3.11 looks an Enum's member up in many steps.

GONE = frozenset([State.DRAINING, State.GONE])
"""States of a backend that left the registry."""

SETTLE = 0.1
"""Seconds in which a body shows that should not have been sent: it follows its head at once, if at all."""

LAST_WORDS = 256 * 1024
"""Bytes that are taken from a connection that broke: an answer of usual length."""


class Upstream(Connection):
    """One connection to one backend. It serves one client at a time, or waits in `home` for the next request.

    A connection that saw anything unexpected is closed, never reused: bytes while idle, bytes after the end
    of a response. So no response can be taken for the answer to another request.
    """

    __slots__ = (
        "_pending",
        "_poll",
        "backend",
        "broken",
        "client",
        "home",
        "idle_since",
        "reusable",
        "settles",
    )

    def __init__(self, backend: Backend, client: Downstream, pending: PendingTransport | None) -> None:
        super().__init__(client.plane.batch)
        self._pending = pending
        if pending is not None:
            self.transport = pending
        self.backend = backend
        self.client: Downstream | None = client
        self.home: list[Any] = backend.idle
        """Where it waits while it carries no request: with others for any client, or bound to one."""
        self.idle_since = 0.0
        self.reusable = True
        self.settles = False
        """Whether it is to be reused only after a pause, in which no byte arrives."""
        self.broken = False
        """Whether the connection ended by an error: then its end is not the end of anything it carried."""
        self._poll: select.poll | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.backend.connections.add(self)
        pending, self._pending = self._pending, None
        if pending is None:
            return
        if pending.over:
            self.transport.abort()
        elif pending.left:
            self.transport.write(pending.left)

    def data_received(self, data: bytes) -> None:
        if self.pump is not None:
            self.pump.feed(data)
        elif self.client is not None:
            self.recv_buffer = self.recv_buffer + data if self.recv_buffer else data
            if len(data) <= INLINE_LIMIT:
                self._batch.wake(self.client)
            else:
                self.client.wake()
        else:  # The transport ends a turn of the loop later; before that no request may take the connection.
            self._withdraw()
            self.transport.abort()

    def eof_received(self) -> bool:
        self.reusable = False
        if self.client is None:
            self._withdraw()
        return self.pump is not None and self.pump.half_close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self.backend.connections.discard(self)
        self.broken = exc is not None
        client = self.client  # What was read last may end the exchange.
        if client is not None:
            if self.broken:
                self._hear_out()
            if self.pump is not None:
                self.pump.feed_pending()
            client.wake()
        else:
            self._withdraw()

    def _withdraw(self) -> None:
        """Take the connection out of those that wait for a request."""
        if self in self.home:
            self.home.remove(self)

    def _hear_out(self) -> None:
        """Take what the backend said before the connection broke.

        One that answers a request early (413) and closes makes the next write of the body fail, and the loop
        then closes too, without another look at what the kernel has received by then.
        """
        connection = self.kernel_socket()
        if connection is None or self.transport.get_extra_info("ssl_object") is not None:
            return  # What is left of TLS are records, not bytes.
        with suppress(OSError):
            last = os.read(connection.fileno(), LAST_WORDS)
            if self.pump is not None:
                self.pump.feed(last)
            else:
                self.recv_buffer += last

    def readable(self) -> bool:
        """Whether an idle connection has something to read: the end, an error, or bytes nobody asked for."""
        if self._poll is None:
            connection = self.kernel_socket()
            if connection is None:
                return True
            self._poll = select.poll()
            self._poll.register(connection.fileno(), select.POLLIN)
        return bool(self._poll.poll(0))

    def free(self, now: float) -> None:
        """The exchange is over: keep the connection if it is clean and its backend still wanted."""
        self.client = self.producer = None
        if self.lost:
            return
        if (
            self.reusable
            and not self.recv_buffer
            and not self.write_paused
            and (self.backend.state is UP or self._stays_bound())
        ):
            self.idle_since = now
            if self.paused:
                self.resume()
            self.home.append(self)
        elif self.settles and not self.recv_buffer and self.home is self.backend.idle:
            asyncio.get_running_loop().call_later(SETTLE, self._settled, now)
        else:
            self.transport.abort()

    def distrust(self, *, wholly: bool) -> None:
        """Take note of a response that declares a body which it must not have.

        Backends exist that send it all the same, and it would be taken for the answer to the next request.

        Args:
            wholly: do not reuse the connection; else reuse it after a pause, if no body has arrived. To HEAD,
                and with 304, a backend may declare the body that GET would have (RFC 9110 section 8.6).
        """
        self.settles = self.reusable and not wholly
        self.reusable = False

    def _settled(self, now: float) -> None:
        """The pause is over."""
        self.settles = False
        if not self.lost and not self.transport.is_closing():
            self.reusable = True
            self.free(now)

    def _stays_bound(self) -> bool:
        """Whether it is kept for its client although its backend is not well; that may be picked again."""
        return self.home is not self.backend.idle and self.backend.state not in GONE

    def close(self) -> None:
        """The exchange failed, or its rest is not wanted."""
        self.client = self.producer = self.pump = None
        if not self.lost and self.transport is not None:
            self.transport.abort()


def reuse(backend: Backend, client: Downstream, *, careful: bool) -> Upstream | None:
    """The idle connection that was used last, if there is one that still lives.

    Args:
        backend: whose connection.
        client: who will use it.
        careful: ask the kernel whether the backend has closed it in this very moment. It costs a system call,
            and is worth it for requests that must not be sent twice.
    """
    idle = backend.idle if client.bound is None else client.bound.idle(backend)
    while idle:
        upstream: Upstream = idle.pop()
        if careful and upstream.readable():
            upstream.transport.abort()
            continue
        upstream.client = client
        return upstream
    return None


def close_idle(backend: Backend, before: float = float("inf")) -> None:
    """Close the idle connections that were last used before that moment."""
    idle = backend.idle
    while idle and idle[0].idle_since < before:
        idle.pop(0).transport.close()


def close_unused(backend: Backend) -> None:
    """Close all connections that carry no request, also those that are bound to a client."""
    close_idle(backend)
    for upstream in tuple(backend.connections):
        if upstream in upstream.home:
            upstream.home.remove(upstream)
            upstream.transport.close()


def abandon(backend: Backend) -> None:
    """Break off whatever runs on a backend; its requests fail as if it had died."""
    for upstream in tuple(backend.connections):
        upstream.transport.abort()
