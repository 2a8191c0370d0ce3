"""A client connection with HTTP/2: it carries frames between the transport and the session of its streams.

The connection has no coroutine: each stream has one. What the streams of a loop iteration have queued is
written at its end, together (`proxy/batch.py`). The file may not import a handler or the server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf
from time import monotonic
from typing import cast

from pylb.errors import Fault, Phase, ProxyError
from pylb.http2 import grpc
from pylb.http2.errors import ErrorCode, SessionError
from pylb.http2.request_heads import RequestHeads
from pylb.http2.request_reader import RequestReader
from pylb.http2.sender import MAX_WINDOW
from pylb.http2.server_session import Head, ServerSession
from pylb.proxy.addresses import ConnectionAddresses, addresses_of
from pylb.proxy.context import Context
from pylb.proxy.exchange import ExtraFields, Handler
from pylb.proxy.h2.call import Call
from pylb.proxy.h2.stream import H2Stream
from pylb.proxy.multiplex.connection import MultiplexedConnection

TABLE_SIZE = 4096
"""Bytes of the table with which a client compresses heads: the protocol's default."""

ADVANCE_NOTICE = 1.0
"""Seconds between the two GOAWAY frames of a drain, if the client does not acknowledge the first."""

LAST_WORDS = 1.0
"""Seconds for which an ended connection is read and discarded. A close with unread bytes would reset it, and
the client would not see the reason in GOAWAY."""

WAIT_FOR_SETTINGS = 10.0
"""Seconds within which a client sends its preface and SETTINGS."""


class H2Connection(MultiplexedConnection):
    """One connection of a client with HTTP/2.

    Args:
        context: what all requests of the worker share.
        choose_handler: returns the handler of the connection's requests, given the client's address and
            whether the connection uses TLS.
        named: the addresses from a PROXY protocol preamble; None takes those of the transport.
        believed: whether X-Forwarded fields count, if the connection comes from a trusted proxy.
    """

    session: ServerSession[H2Stream]

    def __init__(
        self,
        context: Context,
        choose_handler: Callable[[str, bool], Handler],
        named: ConnectionAddresses | None = None,
        *,
        believed: bool = True,
    ) -> None:
        super().__init__(context.batch)
        self.context = context
        self._choose_handler = choose_handler
        self._named = named
        self._believed = believed
        self.extra_fields: ExtraFields | None = None
        self.expired = self.progressed = False
        self.deadline = inf
        self.timeout = 0.0
        self._client = ""
        self._drains = False
        """Whether the end was announced to the client."""
        self._refuse_at = inf
        """When a drain announces its last stream, in monotonic seconds."""
        self._served = 0
        self._used = 0.0
        """When a request ended last, in monotonic seconds."""

    # Callbacks of the transport.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        context = self.context
        address = self.addresses().client
        tls = transport.get_extra_info("ssl_object")
        self.client_info = context.client_info(address, tls, believed=self._believed, version=2)
        if tls is not None:
            self.extra_fields = context.tls_fields
        self.handle = self._choose_handler(address, tls is not None)
        self.parser = RequestReader(context.limits, self.client_info)
        options = context.http2
        self.session = ServerSession(
            RequestHeads(context.limits, TABLE_SIZE),
            self._open,
            table_size=TABLE_SIZE,
            max_streams=options.http2_max_streams,
            window=options.http2_window,
            max_header=context.limits.max_head,
        )
        context.connections.add(self)
        context.sessions.add(self)
        self.session.now = self._used = monotonic()
        self.set_deadline(self.session.now, WAIT_FOR_SETTINGS)
        try:
            self._client = context.clients.enter(self.client_info, len(context.connections) - 1)
        except ProxyError as error:
            context.rejected(address, error)
            self._end(ErrorCode.ENHANCE_YOUR_CALM, error.detail)
        if context.draining:
            self.drain(self.session.now, 0)
        self.schedule()

    def data_received(self, data: bytes) -> None:
        if self._ended:
            return
        session = self.session
        try:
            if session.awaits_preface:
                session.begin(data)
            else:
                session.receive(data)
        except SessionError as error:
            self.context.rejected(self.client_info.address, _as_error(error))
            self._end(error.code, error.detail)
            return
        self._parsed()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self.lost = True
        context = self.context
        context.connections.discard(self)
        context.sessions.discard(self)
        context.clients.leave(self._client)
        self._lose_streams()

    # What a stream uses.

    def addresses(self) -> ConnectionAddresses:
        """Return the addresses of the client and of the listener that it connected to."""
        return self._named or addresses_of(self.transport)

    def _open(self, number: int, head: Head) -> H2Stream:
        """Make the stream of a request."""
        if isinstance(head, bytes) and grpc.is_call(head):
            return Call(self, number, head)
        return H2Stream(self, number, head)

    def finished(self, stream: H2Stream) -> None:
        """End the exchange of a stream: reset what is left open of it (RFC 9113 §8.1)."""
        session = self.session
        session.finish(stream, ErrorCode.NO_ERROR if stream.ended else ErrorCode.INTERNAL_ERROR)
        if session.output:
            self.schedule()
        self._served += 1
        if self._served == self.context.limits.max_requests:
            self.drain(session.now, 0)
        self._used = session.now
        if session.last_accepted < MAX_WINDOW and not session.active:
            self._end(ErrorCode.NO_ERROR, "")

    # Deadlines and the end.

    def tick(self, now: float) -> None:
        """Count time for the session's budgets, and go on with a drain."""
        session = self.session
        session.guard.passed(now - session.now)
        session.now = now
        if now > self._refuse_at:
            self._refuse_more()

    def set_deadline(self, now: float, seconds: float) -> None:
        """Wake after that many seconds."""
        self.deadline = now + seconds
        self.timeout = seconds
        self.expired = False

    def moved(self, now: float) -> None:
        """Do nothing: bytes of bodies count for their streams."""

    def wake(self) -> None:
        """Close the connection if it was idle for too long, or does not begin or end in time."""
        if not self.expired or self.lost:
            return
        session, options = self.session, self.context.http2
        now, idle_timeout = session.now, options.http2_idle_timeout
        if self._ended:
            self.transport.abort()
        elif not session.settled:
            self._end(ErrorCode.SETTINGS_TIMEOUT, "no SETTINGS in time")
        elif session.active or self._used + idle_timeout > now:
            self.set_deadline(now if session.active else self._used, idle_timeout)
        else:
            self._end(ErrorCode.NO_ERROR, "")

    def drain(self, now: float, idle: float) -> None:  # noqa: ARG002
        """Announce the end to the client, at once also if it is idle; requests in progress finish."""
        if not (self._drains or self._ended):
            self._drains = True
            self._refuse_at = now + ADVANCE_NOTICE
            self.session.announce_drain(self._refuse_more)
            self.schedule()

    def cut_all(self) -> None:
        """Mark all streams as ended by a shutdown."""
        for stream in self.session.streams.values():
            stream.lost = stream.cut_off = True

    def abort(self) -> None:
        """Wake all streams, and close the connection at once, or after what they have still written."""
        self._lose_streams()
        self._flush()
        if self._write_paused:
            self.transport.abort()
        else:
            self.transport.close()

    def _refuse_more(self) -> None:
        """Accept no further stream, because the client has had time to see the announcement."""
        self._refuse_at = inf
        self.session.refuse_more()
        self.schedule()
        if not self.session.active:
            self._end(ErrorCode.NO_ERROR, "")

    def _end(self, code: ErrorCode, detail: str) -> None:
        """End the session with GOAWAY; the connection closes when the client has read that."""
        if self._ended:
            return
        self._ended = True
        if self._paused and not self.transport.is_closing():
            self.transport.resume_reading()
        session = self.session
        session.goaway(min(session.last_number, session.last_accepted), code, detail)
        self._lose_streams()
        self.set_deadline(monotonic(), LAST_WORDS)
        self.schedule()

    def _lose_streams(self) -> None:
        for stream in tuple(self.session.streams.values()):
            stream.lost = True
            stream.wake()

    def _close(self) -> None:
        """End the direction of writing; what the client still sends is discarded for a moment."""
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()


def _as_error(error: SessionError) -> ProxyError:
    """Return the reason for the end of a session, for the log and the metrics."""
    return ProxyError(Phase.REQUEST, Fault.POLICY, f"HTTP/2: {error.detail}")
