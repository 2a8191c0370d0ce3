"""One exchange with a backend on a stream of a connection with HTTP/2: an `Upstream`.

The head of the request is written as for HTTP/1.1 and becomes a header block; the response's block becomes a
head that the parser of HTTP/1.1 reads. So the fields have one implementation. The file uses the waiter of the
exchange, and may not import the class of a client connection or a handler.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from pylb.errors import Fault, Phase, ProxyError, StreamResetError, UnprocessedError
from pylb.grpc_codes import FAILURES
from pylb.http1.bad_request import bad_response
from pylb.http1.body import IDENTITY, Decoder, Encoder
from pylb.http1.grammar import fields
from pylb.http1.head_cache import ResponseReader
from pylb.http1.headers import ClientInfo
from pylb.http1.parser import Request, Response
from pylb.http1.writer import HeadChanges, request_head
from pylb.http2 import grpc
from pylb.http2.client_session import ClientSession, RequestStream, name_of
from pylb.http2.errors import ErrorCode
from pylb.http2.request_block import head_size, is_websocket, request_block, switched, trailers_block
from pylb.http2.sender import MAX_WINDOW
from pylb.policy.backend import Backend
from pylb.policy.lease import Lease
from pylb.proxy.batch import WriteBatch
from pylb.proxy.multiplex.stream import Carrier, MultiplexedStream
from pylb.proxy.upstream.h1 import BODILESS
from pylb.proxy.waiter import Waiter

_KEY = fields(rb"sec-websocket-key")


class BackendCarrier(Carrier, Protocol):
    """The connection that carries the stream."""

    backend: Backend
    batch: WriteBatch
    responses: ResponseReader
    session: ClientSession
    tls: bool
    reads: int

    def finished(self, stream: H2Upstream) -> None:
        """The exchange of a stream has ended."""

    def check_alive(self) -> None:
        """Ask the backend for a sign of life: it has sent nothing for too long."""

    def needs_http1(self) -> None:
        """The backend serves requests only with HTTP/1.1."""


class H2Upstream(MultiplexedStream, RequestStream):
    """A stream of a backend's connection, as an `Upstream`.

    Args:
        carrier: the connection.
        client: the waiter of the exchange.
    """

    __slots__ = (
        *("_block", "_ended", "_failure", "_heads", "_is_call", "_key", "_last", "_reads", "_result"),
        *("_unwritten", "backend"),
        *("bodiless", "broken", "client", "head_received", "home", "joined", "length", "reusable"),
    )

    _carrier: BackendCarrier

    def __init__(self, carrier: BackendCarrier, client: Waiter) -> None:
        super().__init__(carrier, 0)
        self.backend = carrier.backend
        self.client: Waiter | None = client
        self.home: list[Any] = []
        """Never used: a connection with HTTP/2 is never bound to a client."""
        self.joined = carrier.session.settled
        """Whether the connection existed before. Then the backend may have closed it meanwhile."""
        self.length = 0
        self.reusable = False
        self.broken = False
        self.bodiless = self.head_received = False
        self._heads: list[bytes | ProxyError] = []
        """Heads of responses that were not read."""
        self._block = b""
        """The header block of a request whose stream is not open."""
        self._last: bytes | None = None
        """The block of the request's trailers, which may be empty, once the end of its body was framed before
        the stream is open."""
        self._unwritten = 0
        """Bytes of the request's body that were not written; negative if its length is unknown."""
        self._key = b""
        """Sec-WebSocket-Key of a request that opens a WebSocket."""
        self._failure: Callable[[Phase], ProxyError] | None = None
        """Returns the reason why the stream was closed."""
        self._result = b""
        """Lines that may contain the result of a call of gRPC: trailers, or a head without a body."""
        self._is_call = client.needs_http2
        self._reads = carrier.reads
        self._ended = False

    @property
    def closing(self) -> bool:
        """Whether the stream is closed."""
        return self.lost

    # The request.

    def request_head(
        self, request: Request, client: ClientInfo, request_id: bytes, authority: bytes
    ) -> bytes:
        """Prepare the head of a request, which the next `queue_write` sends; return nothing more to write."""
        self._prepare(request, request_head(request, client, request_id, authority))
        return b""

    def changed_head(self, changes: HeadChanges) -> Callable[[Request, ClientInfo, bytes, bytes], bytes]:
        def head(request: Request, client: ClientInfo, request_id: bytes, authority: bytes) -> bytes:
            self._prepare(request, changes.head(request, client, request_id, authority))
            return b""

        return head

    def encoder(self, request: Request) -> Encoder:
        """Return the encoder of the request's body. One of known length ends with its last byte."""
        return self if request.chunked else IDENTITY

    def queue_write(self, data: bytes) -> None:
        """Queue bytes of the request's body, after its head."""
        block = self._block
        if not block:
            self.write(data)
            return
        self._block = b""
        self._unwritten -= len(data)
        last = b"" if not self._unwritten else self._last
        self._carrier.session.open(self, block, data, last or b"", end_stream=last is not None)
        self._carrier.schedule()

    def end(self, trailers: bytes = b"") -> bytes:
        """End the request after what is written next; return nothing more to write."""
        if not self._block:
            return super().end(trailers)
        self._last = trailers_block(trailers)
        return b""

    def write(self, data: bytes) -> None:
        """Queue bytes of the request's body; they are framed at the end of the loop iteration."""
        super().write(data)
        if self._unwritten > 0:
            self._unwritten -= len(data)
            if not self._unwritten:
                self._carrier.end_later(self, b"")

    def _prepare(self, request: Request, head: bytes) -> None:
        """Prepare the header block of the request.

        Raises:
            ProxyError: HTTP/2 or the backend does not allow the request.
        """
        websocket = bool(request.upgrade) and is_websocket(request)
        self._check(request, head, websocket=websocket)
        self.bodiless = request.method == b"HEAD"
        self._unwritten = -1 if request.chunked or websocket else request.length
        if websocket:
            self._key = b"".join(value for _, value in _KEY.findall(request.lines))
        self._block = request_block(head, tls=self._carrier.tls, websocket=websocket)

    def _check(self, request: Request, head: bytes, *, websocket: bool) -> None:
        session, name = self._carrier.session, self.backend.name
        if request.authenticates_connection:
            raise _not_possible(f"{name} uses HTTP/2, which has no authentication of connections", 501)
        if websocket and not session.connect_protocol:
            raise _not_possible(f"{name} uses HTTP/2 and accepts no WebSocket there", 501)
        if session.max_request_head < MAX_WINDOW and head_size(head) > session.max_request_head:
            detail = f"a head of {len(head)} bytes; {name} accepts {session.max_request_head} bytes of fields"
            raise _not_possible(detail, 431)

    trailers_block = staticmethod(trailers_block)

    # Events of the session.

    def arrived(self) -> None:
        if self.client is not None:
            self._carrier.batch.wake(self.client)

    ended_by_peer = arrived

    def received_head(self, head: bytes | ProxyError, *, interim: bool) -> None:
        if self.remote_ended and isinstance(head, bytes):
            self._result = head
        if self._key and not interim and isinstance(head, bytes) and head[9:10] == b"2":
            head = switched(head, self._key)
        self._heads.append(head)
        self.received(b"")  # The head is read once what follows it is parsed, too.

    def received_trailers(self, lines: bytes) -> None:
        self._result = lines
        super().received_trailers(lines)

    def received_reset(self, code: int) -> None:
        detail = f"{self.backend.name} reset the stream: {name_of(code)}"
        if code == ErrorCode.HTTP_1_1_REQUIRED:
            self._carrier.needs_http1()
            self._lose(lambda phase: UnprocessedError(phase, Fault.UPSTREAM, detail, same=True))
        elif code == ErrorCode.REFUSED_STREAM:
            self.unprocessed(f"reset the stream: {name_of(code)}")
        else:
            self._lose(lambda phase: StreamResetError(phase, Fault.UPSTREAM, detail))

    def unprocessed(self, detail: str) -> None:
        detail = f"{self.backend.name}: {detail}"
        self._lose(lambda phase: UnprocessedError(phase, Fault.UPSTREAM, detail))

    def connection_lost(self, why: str) -> None:
        """Handle the end of the connection.

        Args:
            why: how the backend ended it; empty if it closed without a reason.
        """
        detail = f"{self.backend.name} {why}"
        self._lose(
            lambda phase: ProxyError(phase, Fault.UPSTREAM, detail) if why else closed(self.backend, phase)
        )

    def _lose(self, failure: Callable[[Phase], ProxyError]) -> None:
        self._failure = self._failure or failure
        if self._arrived:
            self.deliver()
        self.lost = True
        self.arrived()

    # The response.

    def read_head(self, request: Request) -> Response | None:  # noqa: ARG002
        """Return the head of the next response, interim or final, and consume it; None before it arrives.

        The head of a response whose whole body has arrived waits for the end of the stream.
        """
        if not self._heads:
            return None
        head = self._heads[0]
        if isinstance(head, ProxyError):
            raise head
        response = self._carrier.responses.read(head)
        if self._is_call and self._result is head:  # A result without messages, so equal heads have it.
            response.condition = response.condition or grpc.condition(self._result)
        if not response.interim and response.status != 101:
            if self.bodiless or response.status in BODILESS:
                length, self.recv_buffer = 0, b""
            else:
                length = response.length
            received = len(self.recv_buffer)
            if length == received and not (self.complete or self.lost):
                return None
            if self.complete and 0 <= length != received:
                raise bad_response(f"a body of {received} bytes, but Content-Length {length}")
            self.length = length
        del self._heads[0]
        return response

    def decoder(self, response: Response) -> Decoder:  # noqa: ARG002
        """Return the decoder of the body of the final response."""
        return self.decode_body(self.length, bad_response)

    def lost_error(self, phase: Phase) -> ProxyError:
        """Return the reason why the exchange ended too early."""
        return closed(self.backend, phase) if self._failure is None else self._failure(phase)

    def distrust(self, *, wholly: bool) -> None:
        """Do nothing: what follows a response on its stream cannot be taken for another response."""

    # The end.

    def free(self, lease: Lease) -> None:
        """End the exchange. What is left open of the stream is cancelled."""
        if self._is_call:
            code = grpc.status_of(self._result)
            lease.grpc_status = grpc.code_of_response(lease.status) if code is None else code
            if lease.grpc_status in FAILURES:
                self.backend.needs_settle = True
        self._leave()

    def close(self) -> None:
        """Cancel the exchange: it failed, or the rest of the response is not needed."""
        client, carrier = self.client, self._carrier
        if client is not None and client.expired and carrier.reads == self._reads:
            carrier.check_alive()
        self._leave()

    def close_after_writes(self, seconds: float) -> None:
        """End the exchange; pending bytes have that many seconds to be written."""
        if self.lost or self.remote_ended or not self.size:
            self._leave()
            return
        self.client = self.producer = self.pump = None
        self._carrier.end_later(self, b"")
        asyncio.get_running_loop().call_later(seconds, self._leave)

    def sent_all(self) -> None:
        if self.client is None:
            self._leave()

    def _leave(self) -> None:
        self.client = self.producer = self.pump = None
        if not self._ended:
            self._ended = self.lost = True
            self._carrier.finished(self)


def closed(backend: Backend, phase: Phase) -> ProxyError:
    """Return the error of an exchange whose connection the backend closed."""
    how = "without an answer" if phase is Phase.HEADERS else "inside the body"
    return ProxyError(phase, Fault.UPSTREAM, f"{backend.name} closed {how}")


def _not_possible(detail: str, status: int) -> ProxyError:
    """Return the refusal of a request that this connection cannot carry. It is no failure of a backend."""
    return ProxyError(Phase.REQUEST, Fault.POLICY, detail, status=status)
