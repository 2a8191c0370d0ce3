"""A connection to a backend with HTTP/1: it carries one exchange at a time, and is itself the `Upstream`.

It is reused only after a clean exchange. The file uses the waiter of the exchange, and may not import the
class of a client connection or a handler.
"""

from __future__ import annotations

import asyncio
import os
import select
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pylb.errors import Fault, Phase, ProxyError
from pylb.http1.bad_request import bad_response
from pylb.http1.body import CHUNKED, IDENTITY, Chunked, Decoder, Encoder, Sized, UntilClose
from pylb.http1.head_cache import ResponseReader
from pylb.http1.headers import ClientInfo
from pylb.http1.parser import END_LENGTH, END_OF_HEAD, Request, Response, check_response_beginning
from pylb.http1.writer import HeadChanges, request_head
from pylb.policy.backend import Backend, State
from pylb.policy.lease import Lease
from pylb.proxy.batch import INLINE_LIMIT, WriteBatch
from pylb.proxy.transfer import Connection
from pylb.proxy.upstream.pending_transport import PendingTransport
from pylb.proxy.waiter import Waiter

UP = State.UP  # Python 3.11 looks an Enum's member up in many steps.

GONE = frozenset([State.DRAINING, State.GONE])
"""States of a backend that left the registry."""

BODILESS = frozenset([204, 304])
"""Statuses of responses without a body, whatever their fields declare (RFC 9112 section 6.3)."""

SETTLE = 0.1
"""Seconds within which a forbidden body would arrive; it follows its head at once, if at all."""

LAST_READ = 256 * 1024
"""Bytes that are read from a broken connection: enough for most responses."""


class H1Upstream(Connection):
    """One connection to one backend. It serves one client at a time, or is idle in `home`.

    A connection that received anything unexpected (bytes while idle, bytes after the end of a response) is
    closed and never reused. So no response can be taken for the response to another request.

    Args:
        backend: the backend that it connects to.
        client: the waiter of the first exchange.
        batch: writes queued messages at the end of the loop iteration.
        responses: parses the heads of responses.
        pending: stands in for the transport until `connection_made`; None if nothing is written before that.
    """

    __slots__ = (
        *("_pending", "_poll", "_responses", "backend", "broken", "client", "home", "idle_since"),
        *("length", "request_head", "reusable", "settles"),
    )

    complete = False
    """The end of a body of unknown length is found by its decoder."""
    trailer_lines = b""
    """Its decoder finds the trailers as well."""

    joined = False
    """A connection with HTTP/1 has one exchange at a time, so no other exchange can have opened it."""

    def __init__(
        self,
        backend: Backend,
        client: Waiter,
        batch: WriteBatch,
        responses: ResponseReader,
        pending: PendingTransport | None = None,
    ) -> None:
        super().__init__(batch)
        self._responses = responses
        # Of the instance: a call of a static method takes twice as long.
        self.request_head: Callable[[Request, ClientInfo, bytes, bytes], bytes] = request_head
        self._pending = pending
        if pending is not None:
            self.transport = pending
        self.backend = backend
        self.client: Waiter | None = client
        self.home: list[Any] = backend.idle
        """The list that it joins while idle: the backend's, or that of the client that it is bound to."""
        self.idle_since = 0.0
        self.length = 0
        """Bytes of the body of the final response; -1 if unknown."""
        self.reusable = True
        self.settles = False
        """Whether it can be reused only after a pause without a byte."""
        self.broken = False
        """Whether the connection ended by an error. Then its end does not end a body."""
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

    def secured(self, secure: asyncio.Transport, plain: asyncio.Transport) -> None:
        """Take a TLS connection, and the transport below it."""
        self.connection_made(secure)
        # A TLS transport that is paused drops what it holds when the backend ends the connection.
        self.receiver = plain

    def data_received(self, data: bytes) -> None:
        if self.pump is not None:
            self.pump.feed(data)
        elif self.client is not None:
            self.recv_buffer = self.recv_buffer + data if self.recv_buffer else data
            if len(data) <= INLINE_LIMIT:
                self._batch.wake(self.client)
            else:
                self.client.wake()
        else:  # The transport ends one loop iteration later. No request may take the connection before.
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
                self._read_rest()
            if self.pump is not None:
                self.pump.feed_pending()
            client.wake()
        else:
            self._withdraw()

    # The exchange.

    @property
    def closing(self) -> bool:
        """Whether the connection is being closed."""
        return self.transport.is_closing()

    def changed_head(self, changes: HeadChanges) -> Callable[[Request, ClientInfo, bytes, bytes], bytes]:
        return changes.head

    def encoder(self, request: Request) -> Encoder:
        """Return the encoder of a request's body."""
        return CHUNKED if request.chunked else IDENTITY

    def lost_error(self, phase: Phase) -> ProxyError:
        """Return the reason why the exchange ended too early."""
        how = "without an answer" if phase is Phase.HEADERS else "inside the body"
        return ProxyError(phase, Fault.UPSTREAM, f"{self.backend.name} closed {how}")

    def read_head(self, request: Request) -> Response | None:
        """Return the head of the next response, interim or final, and consume it; None before its end."""
        recv_buffer = self.recv_buffer
        end = recv_buffer.find(END_OF_HEAD) + END_LENGTH
        if end < END_LENGTH:
            if recv_buffer:
                check_response_beginning(recv_buffer)
            return None
        response = self._responses.read(recv_buffer[:end])
        self.recv_buffer = recv_buffer[end:]
        if response.close:
            self.reusable = False
        length = response.length
        if response.interim:
            if length > 0 or response.chunked:
                self.reusable = False  # No 1xx has a body (RFC 9110 section 8.6); it may be followed by one.
        elif request.method == b"HEAD" or response.status in BODILESS:
            if length > 0 or response.chunked:
                self.distrust(wholly=response.status == 204)
            length = 0
        elif length < 0 and not response.chunked:
            self.reusable = False
        self.length = length
        return response

    def decoder(self, response: Response) -> Decoder:
        """Return the decoder of the body of the final response."""
        if self.length >= 0:
            return Sized(self.length)
        return Chunked(bad_response) if response.chunked else UntilClose()

    def close_after_writes(self, seconds: float) -> None:
        """End the exchange and the connection; pending bytes have that many seconds to be written."""
        self.client = self.producer = self.pump = None
        self.reusable = False
        if self.lost:
            return
        self.flush()
        self.resume()  # TLS ends by an exchange of messages.
        self.transport.close()
        if self.transport.get_write_buffer_size():
            asyncio.get_running_loop().call_later(seconds, self.transport.abort)

    def retire(self) -> None:
        """Close the connection if it has no exchange, else after its exchange."""
        self.reusable = False
        if self.client is None:
            self.transport.close()

    def close_unused(self) -> None:
        """Close the connection if it is idle."""
        if self in self.home:
            self.home.remove(self)
            self.transport.close()

    def _withdraw(self) -> None:
        """Remove the connection from the idle ones."""
        if self in self.home:
            self.home.remove(self)

    def _read_rest(self) -> None:
        """Read what the backend sent before the connection broke.

        A backend that responds early (413) and closes makes the next write of the body fail. The loop then
        closes the connection without reading what the kernel has received by then.
        """
        connection = self.kernel_socket()
        if connection is None or self.transport.get_extra_info("ssl_object") is not None:
            return  # With TLS, the kernel has records and not plaintext.
        with suppress(OSError):
            last = os.read(connection.fileno(), LAST_READ)
            if self.pump is not None:
                self.pump.feed(last)
            else:
                self.recv_buffer += last

    def readable(self) -> bool:
        """Return whether an idle connection is readable: closed, broken, or with unsolicited bytes."""
        if self._poll is None:
            connection = self.kernel_socket()
            if connection is None:
                return True
            self._poll = select.poll()
            self._poll.register(connection.fileno(), select.POLLIN)
        return bool(self._poll.poll(0))

    def free(self, lease: Lease) -> None:
        """End the exchange; keep the connection if it is clean and its backend still takes requests."""
        self.client = self.producer = None
        if self.lost:
            return
        if (
            self.reusable
            and not self.recv_buffer
            and not self.write_paused
            and (self.backend.state is UP or self._stays_bound())
        ):
            self.idle_since = lease.head
            if self.paused:
                self.resume()
            self.home.append(self)
        elif self.settles and not self.recv_buffer and self.home is self.backend.idle:
            asyncio.get_running_loop().call_later(SETTLE, self._settled, lease)
        else:
            self.transport.abort()

    def distrust(self, *, wholly: bool) -> None:
        """Handle a response that declares a body which it must not have.

        Some backends send that body, and it would be taken for the next response.

        Args:
            wholly: never reuse the connection. Otherwise reuse it after a pause in which no body arrives: in
                a response to HEAD, and with 304, a backend may declare the body of GET (RFC 9110 section
                8.6).
        """
        self.settles = self.reusable and not wholly
        self.reusable = False

    def _settled(self, lease: Lease) -> None:
        """Free the connection after the pause."""
        self.settles = False
        if not self.lost and not self.transport.is_closing():
            self.reusable = True
            self.free(lease)

    def _stays_bound(self) -> bool:
        """Return whether it is kept for its client although its backend is not up."""
        return self.home is not self.backend.idle and self.backend.state not in GONE

    def close(self) -> None:
        """Abort the connection: the exchange failed, or the rest of the response is not needed."""
        self.client = self.producer = self.pump = None
        if not self.lost and self.transport is not None:
            self.transport.abort()
