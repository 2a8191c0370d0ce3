"""A connection to a backend with HTTP/2: it carries the exchanges of several clients at once.

It takes no new exchange from the moment on at which it cannot complete one: after GOAWAY, once it is closed,
and while the backend has not answered a PING. It closes when it is idle for too long, and after its last
exchange if its backend takes no requests any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf
from time import monotonic
from typing import cast

from pylb.http1.head_cache import ResponseReader
from pylb.http1.limits import MAX_RESPONSE_HEAD
from pylb.http2.client_session import ClientSession
from pylb.http2.errors import ErrorCode, SessionError
from pylb.policy.backend import Backend, State
from pylb.proxy.batch import WriteBatch
from pylb.proxy.multiplex.connection import MultiplexedConnection
from pylb.proxy.upstream.h2 import H2Upstream
from pylb.proxy.waiter import Waiter

MAX_STREAMS = 100
"""Exchanges on one connection at once, if the backend accepts as many (nginx, Go and HAProxy: 100)."""

WINDOW = 64 * 1024
"""Bytes that a backend may send on a stream before any of them has left pylb. The window of a stream whose
client reads at once grows (`http2/sender.py`)."""

PING_TIMEOUT = 5.0
"""Seconds in which a backend answers a PING (Pingora)."""


class BackendConnection(MultiplexedConnection):
    """One connection to one backend.

    Args:
        backend: the backend.
        batch: writes the frames at the end of the loop iteration, and wakes clients.
        responses: parses the heads of responses.
        tls: whether the connection uses TLS.
        changed: called when the connection can carry more exchanges.
        closed: called when it can carry none any more.
        needs_http1: called when the backend requires HTTP/1.1.
    """

    session: ClientSession

    def __init__(
        self,
        backend: Backend,
        batch: WriteBatch,
        responses: ResponseReader,
        *,
        tls: bool,
        changed: Callable[[], None],
        closed: Callable[[BackendConnection], None],
        needs_http1: Callable[[], None],
    ) -> None:
        super().__init__(batch)
        self.backend = backend
        self.responses = responses
        self.tls = tls
        self.needs_http1 = needs_http1
        self.session = ClientSession(window=WINDOW, max_header=MAX_RESPONSE_HEAD, changed=changed)
        self.session.now = monotonic()
        self.active = 0
        """Exchanges in progress."""
        self.idle_since = inf
        """When the last exchange ended, in monotonic seconds; infinite while there is one."""
        self.reads = 0
        """Reads from the backend so far. A stream that sees no more of them may wait for a dead backend."""
        self.retired = False
        """Whether the connection closes after the exchanges in progress."""
        self._changed = changed
        self._closed = closed
        self._dead_at = inf
        """When the answer to a PING is overdue, in monotonic seconds."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.backend.connections.add(self)
        self.schedule()

    def data_received(self, data: bytes) -> None:
        if self._ended:
            return
        self.reads += 1
        session = self.session
        try:
            if not session.settled and data.startswith(b"HTTP/1."):
                raise SessionError(ErrorCode.PROTOCOL_ERROR, "it uses HTTP/1")
            session.receive(data)
        except SessionError as error:
            self._end(error.code, error.detail)
            self._lose_streams(f"violated HTTP/2: {error.detail}")
        if session.exhausted:
            self.retire()
        self._parsed()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self.lost = True
        self.backend.connections.discard(self)
        self._closed(self)
        self._lose_streams("")

    # The exchanges.

    @property
    def room(self) -> int:
        """The number of exchanges that can begin on the connection."""
        session = self.session
        if self.lost or self._ended or self.retired or session.pinged or session.exhausted:
            return 0
        return min(session.max_streams, MAX_STREAMS) - self.active

    def begin(self, client: Waiter) -> H2Upstream:
        """Return an exchange for a client. The connection has room."""
        self.active += 1
        self.idle_since = inf
        return H2Upstream(self, client)

    def finished(self, stream: H2Upstream) -> None:
        """End an exchange. A stream that is still open is cancelled."""
        self.active -= 1
        session = self.session
        if stream.number in session.streams:
            session.reset(stream, ErrorCode.CANCEL)
            self.schedule()
        if not self.active:
            self.idle_since = monotonic()
            if self.retired or self.backend.state is not State.UP:
                self.close()
                return
        self._changed()

    def check_alive(self) -> None:
        """Ask the backend for a sign of life. Until its answer, the connection takes no new exchange."""
        if not self.lost and self._dead_at == inf:
            self.session.ping()
            self._dead_at = monotonic() + PING_TIMEOUT
            self.schedule()

    # The end.

    def tick(self, now: float, idle_before: float) -> None:
        """Close the connection if it is idle since before a moment, or if its backend is dead."""
        session = self.session
        session.guard.passed(now - session.now)
        session.now = now
        if not session.pinged:
            self._dead_at = inf
        if now > self._dead_at:
            self._lose_streams(f"did not answer a PING in {PING_TIMEOUT:g} s")
            self.transport.abort()
        elif self.idle_since < idle_before:
            self.close()

    def retire(self) -> None:
        """Close the connection after its exchanges."""
        self.retired = True
        self._closed(self)
        if not self.active:
            self.close()

    def close_unused(self) -> None:
        """Close the connection if it has no exchange."""
        if not self.active:
            self.close()

    def close(self) -> None:
        """Close the connection, and inform the backend that this is no error."""
        if not (self._ended or self.lost):
            self._end(ErrorCode.NO_ERROR, "")
            self._flush()

    def _end(self, code: ErrorCode, detail: str) -> None:
        """End the session; the transport closes when GOAWAY is written."""
        self._ended = True
        self.session.goaway(0, code, detail)  # No stream of the backend was processed: it may open none.
        self._closed(self)
        self.schedule()

    def _lose_streams(self, why: str) -> None:
        for stream in tuple(self.session.streams.values()):
            cast(H2Upstream, stream).connection_lost(why)
