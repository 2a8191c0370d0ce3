"""A client connection with HTTP/2: it carries frames between the transport and the session of its streams.

The connection has no coroutine: each stream has one. What the streams of a loop iteration have queued is
written at its end, together (`proxy/batch.py`). The file may not import a handler or the server.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from math import inf
from time import monotonic
from typing import cast

from pylb.errors import Fault, Phase, ProxyError
from pylb.http1.head_cache import RequestReader
from pylb.http2.errors import ErrorCode, SessionError
from pylb.http2.request_heads import RequestHeads
from pylb.http2.sender import MAX_WINDOW
from pylb.http2.server_session import ServerSession
from pylb.proxy.addresses import ConnectionAddresses, addresses_of
from pylb.proxy.context import Context
from pylb.proxy.exchange import ExtraFields, Handler
from pylb.proxy.h2.stream import H2Stream

log = logging.getLogger("pylb.proxy")

ROOM = 80 * 1024
"""Bytes of bodies that are framed at once, so that an urgent frame is not behind megabytes (h2o)."""

TABLE_SIZE = 4096
"""Bytes of the table with which a client compresses heads: the protocol's default."""

MAX_REPLIES = 100
"""Replies to a client that does not read them, before pylb stops to read from it."""

ADVANCE_NOTICE = 1.0
"""Seconds between the two GOAWAY frames of a drain, if the client does not acknowledge the first."""

LAST_WORDS = 1.0
"""Seconds for which an ended connection is read and discarded. A close with unread bytes would reset it, and
the client would not see the reason in GOAWAY."""

WAIT_FOR_SETTINGS = 10.0
"""Seconds within which a client sends its preface and SETTINGS."""


class H2Connection(asyncio.Protocol):
    """One connection of a client with HTTP/2.

    Args:
        context: what all requests of the worker share.
        choose_handler: returns the handler of the connection's requests, given the client's address and
            whether the connection uses TLS.
        named: the addresses from a PROXY protocol preamble; None takes those of the transport.
        believed: whether X-Forwarded fields count, if the connection comes from a trusted proxy.
    """

    def __init__(
        self,
        context: Context,
        choose_handler: Callable[[str, bool], Handler],
        named: ConnectionAddresses | None = None,
        *,
        believed: bool = True,
    ) -> None:
        self.context = context
        self._choose_handler = choose_handler
        self._named = named
        self._believed = believed
        self.transport: asyncio.Transport
        self.extra_fields: ExtraFields | None = None
        self.lost = False
        self.expired = self.progressed = False
        self.deadline = inf
        self.timeout = 0.0
        self._client = ""
        self._write_paused = False
        self._scheduled = False
        self._ended = False
        """Whether the session has ended, and what arrives is discarded."""
        self._drains = False
        """Whether the end was announced to the client."""
        self._refuse_at = inf
        """When a drain announces its last stream, in monotonic seconds."""
        self._paused = False
        """Whether reading is paused."""
        self._continues = False
        """Whether frames that were received are parsed in the next loop iteration."""
        self._arrived: list[H2Stream] = []
        """Streams that have received bytes in this read."""
        self._ends: list[tuple[H2Stream, bytes]] = []
        """Streams that end after what was written to them in this loop iteration, and their trailers."""
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
        self.parser = RequestReader(context.limits, context.head_cache, self.client_info)
        options = context.http2
        self.session: ServerSession[H2Stream] = ServerSession(
            RequestHeads(context.limits, TABLE_SIZE),
            partial(H2Stream, self),
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
        if self._arrived:
            self._deliver()
        if session.has_work:  # A WINDOW_UPDATE lets bytes be sent that had to wait.
            self.schedule()
        if session.has_more or self._write_paused or self._paused:
            self._throttle()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self.lost = True
        context = self.context
        context.connections.discard(self)
        context.sessions.discard(self)
        context.clients.leave(self._client)
        self._lose_streams()

    def pause_writing(self) -> None:
        self._write_paused = True

    def resume_writing(self) -> None:
        self._write_paused = False
        self.schedule()
        if self._paused:
            self._continue()

    # What a stream uses.

    def addresses(self) -> ConnectionAddresses:
        """Return the addresses of the client and of the listener that it connected to."""
        return self._named or addresses_of(self.transport)

    def schedule(self) -> None:
        """Write the session's output at the end of the loop iteration."""
        if not self._scheduled:
            self._scheduled = True
            self.context.batch.flush_later(self._flush)

    def end_later(self, stream: H2Stream, trailers: bytes) -> None:
        """End a stream after the bytes that are written to it in this iteration."""
        self._ends.append((stream, trailers))
        self.schedule()

    def deliver_later(self, stream: H2Stream) -> None:
        """Deliver the bytes of a stream together, once all frames of this read are parsed."""
        self._arrived.append(stream)

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
        """Wake all streams, and close the connection at once."""
        self._lose_streams()
        self.transport.abort()

    def _deliver(self) -> None:
        arrived, self._arrived = self._arrived, []
        for stream in arrived:
            stream.deliver()

    def _throttle(self) -> None:
        """Read no more while frames wait for the other connections, or replies for the client."""
        session = self.session
        unread = self._write_paused and session.replies > MAX_REPLIES
        pauses = session.has_more or unread
        if pauses and not self._continues and not unread:
            self._continues = True
            asyncio.get_running_loop().call_soon(self._continue)
        if pauses is not self._paused and not self.transport.is_closing():
            self._paused = pauses
            if pauses:
                self.transport.pause_reading()
            else:
                self.transport.resume_reading()

    def _continue(self) -> None:
        """Parse the frames that had to wait."""
        self._continues = False
        if not self.lost:
            self.data_received(b"")

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

    def _flush(self) -> None:
        """Frame and write what the streams have queued, as far as the transport accepts it."""
        self._scheduled = False
        if self.lost or self.transport.is_closing():
            return
        session = self.session
        ends, self._ends = self._ends, []
        for stream, trailers in ends:
            session.end(stream, trailers)
        while session.output or (session.sendable and not self._write_paused):
            if not self._write_paused:
                session.replies = 0
                session.fill(ROOM)
            if not session.output:
                break  # The windows are closed.
            self.transport.write(session.take())
        if self._ended and not self._write_paused:
            self._close()

    def _close(self) -> None:
        """End the direction of writing; what the client still sends is discarded for a moment."""
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()


def _as_error(error: SessionError) -> ProxyError:
    """Return the reason for the end of a session, for the log and the metrics."""
    return ProxyError(Phase.REQUEST, Fault.POLICY, f"HTTP/2: {error.detail}")
