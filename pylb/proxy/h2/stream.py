"""One request of a client with HTTP/2: a stream, and the exchange that serves it.

This file decides how a response is framed for the client. `H2Connection` makes a stream when its head has
arrived, and delivers its frames. The file may not import that class, a handler or the server.
"""

from __future__ import annotations

from math import inf
from time import monotonic
from typing import Protocol

from pylb.errors import Fault, Phase, ProxyError
from pylb.http1.bad_request import bad_request
from pylb.http1.headers import ClientInfo
from pylb.http1.parser import END_OF_HEAD, Request, Response
from pylb.http1.writer import short_response
from pylb.http2.errors import ErrorCode
from pylb.http2.request_reader import RequestReader
from pylb.http2.response_heads import block_of_text, response_block, trailers_block
from pylb.http2.server_session import Head
from pylb.observe.record import Record
from pylb.proxy.addresses import ConnectionAddresses
from pylb.proxy.batch import INLINE_LIMIT
from pylb.proxy.context import Context
from pylb.proxy.driven import Driven
from pylb.proxy.exchange import ExtraFields, Handler
from pylb.proxy.failure import fail, failure_response
from pylb.proxy.multiplex.stream import Carrier, MultiplexedStream
from pylb.proxy.request_body import RequestBodyPump, too_large
from pylb.proxy.service import Service
from pylb.proxy.transfer import EVENT, BodyPump
from pylb.proxy.upstream.binding import Bindings
from pylb.proxy.upstream.upstream import Upstream


class ClientCarrier(Carrier, Protocol):
    """The connection that carries a stream."""

    context: Context
    client_info: ClientInfo
    extra_fields: ExtraFields | None
    handle: Handler
    parser: RequestReader

    def addresses(self) -> ConnectionAddresses:
        """Return the addresses of the connection."""

    def finished(self, stream: H2Stream) -> None:
        """The exchange of a stream has ended."""


class H2Stream(MultiplexedStream, Driven):
    """A stream of a client, as an `Exchange`.

    Args:
        carrier: the connection.
        number: the stream's identifier.
        head: the head of the request, or the reason why it is refused.
    """

    __slots__ = (
        *("_busy", "_half_closed", "_head", "_run_on", "_written"),
        *("bound", "client_info", "close_after_response", "context", "cut_off", "deadline", "expired"),
        *("extra_fields", "keep", "latest_deadline", "progressed", "service", "taken", "timeout"),
    )

    _carrier: ClientCarrier

    def __init__(self, carrier: ClientCarrier, number: int, head: Head) -> None:
        super().__init__(carrier, number)
        self._head = head
        self._half_closed = False
        self._written = 0
        """Bytes of the response's body."""
        self.context = carrier.context
        self.client_info = carrier.client_info
        self.extra_fields = carrier.extra_fields
        self.service: Service
        self.bound: Bindings | None = None
        self.keep = True
        self.close_after_response = False
        self.cut_off = False
        self.deadline = self.latest_deadline = inf
        self.expired = self.progressed = False
        self.timeout = 0.0
        self.taken = 0
        self._run_on = self._serve().send
        self._busy = False

    # The coroutine.

    async def _serve(self) -> None:
        """Serve the request, and wait until its response is framed."""
        if self.lost:  # Reset in the read that it arrived in. A flood of these is one line in the log.
            self._carrier.finished(self)
            return
        context = self.context
        context.streams.add(self)
        record = Record(self.client_info.address, monotonic())
        record.protocol = "HTTP/2.0"
        complete = True
        try:
            try:
                if isinstance(self._head, ProxyError):
                    raise self._head
                request = record.request = self._carrier.parser.read(self._head)
            except ProxyError:  # Each has a record, so a connection may cause a bounded number.
                self._carrier.session.guard.bad_head()
                raise
            context.identify(record, self.client_info)
            if request.authenticates_connection:
                raise _needs_connection()
            complete = await self._carrier.handle(self, request, record) or self._half_closed
        except Exception as failure:
            fail(self, record, failure)
        finally:
            context.observe(record)
        if complete and not self.ended:
            await self._sent()
        context.streams.discard(self)
        self._carrier.finished(self)

    async def _sent(self) -> None:
        """Wait until the rest of the response is framed, while the client reads it."""
        self.set_deadline(monotonic(), self.context.timeouts.body_timeout)
        self.taken = self.acknowledged()
        while not (self.ended or self.lost):
            if self.expired and not self.makes_progress(self.context.quota):
                break
            await EVENT

    def abort(self) -> None:
        """End the stream at once."""
        self.lost = True
        self.context.streams.discard(self)
        self._carrier.finished(self)

    def acknowledged(self) -> int:
        """Return the bytes of the response's body that were framed."""
        return self._written - self.size

    # Events of the session.

    def begin(self) -> None:
        self.context.batch.wake(self)  # The coroutine begins once all connections are read.

    def ended_by_peer(self) -> None:
        self.context.batch.wake(self)

    trailers_block = staticmethod(trailers_block)

    def received_reset(self, code: int) -> None:  # noqa: ARG002
        self.lost = True
        self.context.batch.wake(self)

    def sent_all(self) -> None:
        self.wake()

    def has_room(self) -> None:
        super().has_room()
        self.wake()

    def write(self, data: bytes) -> None:
        """Queue bytes of the response's body; they are framed at the end of the loop iteration."""
        if not self.lost:
            self._written += len(data)
            super().write(data)

    def half_close(self) -> None:
        """End the response's direction of a tunnel."""
        self._half_closed = True
        super().half_close()

    # The exchange.

    def addresses(self) -> ConnectionAddresses:
        """Return the addresses of the client and of the listener that it connected to."""
        return self._carrier.addresses()

    def body(self, request: Request) -> tuple[bytes, BodyPump | None]:
        """Return the request's body, if it is small and has arrived; else a pump for it.

        Raises:
            ProxyError: 413, for a declared length above `--max-body`.
        """
        service, length = self.service, request.length
        if length > service.max_body:
            raise too_large(service.max_body)
        if self.complete and self._arrived_small(request):
            body, self.recv_buffer = self.recv_buffer, b""
            return body, None
        decoder = self.decode_body(-1 if request.chunked else length, bad_request)
        return b"", RequestBodyPump(self, decoder, limit=service.max_body, quota=service.quota)

    def _arrived_small(self, request: Request) -> bool:
        """Return whether a body that has ended can be sent without a pump. One with trailers cannot."""
        size = len(self.recv_buffer)
        if not request.chunked:
            return size == request.length
        return 0 < size <= min(INLINE_LIMIT, self.service.max_body) and not self.trailer_lines

    def after_delay(self, request: Request, now: float) -> Request:  # noqa: ARG002
        """Return the request as it is."""
        return request

    def interim(self, request: Request, response: Response) -> None:  # noqa: ARG002
        """Send an interim response (1xx)."""
        if not self.lost:
            self._carrier.session.send_head(self, response_block(response), end_stream=False)
            self._carrier.schedule()

    def switch(self, response: Response) -> bytes:
        """Send the head of a tunnel (RFC 8441 §5); return nothing more to write."""
        self._send_head(response_block(response), end_stream=False)
        return b""

    def respond(
        self,
        upstream: Upstream,
        record: Record,
        request: Request,  # noqa: ARG002
        response: Response,
        *,
        upload: BodyPump | None,
    ) -> BodyPump | None:
        """See `Exchange.respond`."""
        if upload is not None and not upload.done:
            upstream.distrust(wholly=True)
        extra = b"" if response.dated else b"Date: %b\r\n" % self.context.date
        if self.extra_fields is not None:
            extra += self.extra_fields(response)
        block = response_block(response, extra)
        record.status = response.status
        record.sending = True
        length, body, trailers = upstream.length, upstream.recv_buffer, upstream.trailer_lines
        if length == len(body) or (length < 0 and upstream.complete):
            self._send_head(block, body, trailers and trailers_block(trailers), end_stream=True)
            upstream.recv_buffer = b""
            record.sent = len(body)
            record.finished = record.attempts[-1].head
            return None
        self._send_head(block, end_stream=False)
        pump = BodyPump(upstream, upstream.decoder(response), self, self)
        self.set_deadline(record.attempts[-1].head, self.service.timeouts.body_timeout)
        pump.start(self, b"")
        return pump

    def answer(self, record: Record, request: Request, status: int, fields: bytes, text: bytes = b"") -> bool:
        """Send a response of pylb; return True: another request never waits for this one."""
        record.status = status
        record.sending = True
        body = request.method != b"HEAD"
        record.sent = len(text) if body else 0
        self._send_text(
            short_response(status, fields, text, body=body, close=False, version=1, date=self.context.date)
        )
        return True

    def refuse(self, record: Record, error: ProxyError) -> None:
        """Answer with the error's status; reset the stream if a response has begun."""
        if self.lost:
            return
        if record.sending:
            self._carrier.session.reset(self, ErrorCode.INTERNAL_ERROR)
            self._carrier.schedule()
        elif error.status == NEEDS_CONNECTION:
            self._carrier.session.reset(self, ErrorCode.HTTP_1_1_REQUIRED)
            self._carrier.schedule()
        else:
            record.sent = self._send_text(failure_response(record, error, self.context.date))

    def discard(self) -> None:
        """Discard what the client still sends."""
        self.pump = None
        self.recv_buffer = b""

    def _send_text(self, message: bytes) -> int:
        """Send a complete response in the form of HTTP/1; return the bytes of its body."""
        head, _, body = message.partition(END_OF_HEAD)
        if self.extra_fields is not None:
            head += b"\r\n" + self.extra_fields(None).removesuffix(b"\r\n")
        self._send_head(block_of_text(head + END_OF_HEAD), body, end_stream=True)
        return len(body)

    def _send_head(self, block: bytes, body: bytes = b"", trailers: bytes = b"", *, end_stream: bool) -> None:
        """Send the head of the final response, and with it a whole body and the block of its trailers."""
        self.started = True
        if not self.lost:
            self._written += len(body)
            self._carrier.session.send_head(self, block, body, trailers, end_stream=end_stream)
            self._carrier.schedule()


NEEDS_CONNECTION = 421
"""The status of a request that cannot be served on a shared connection."""


def _needs_connection() -> ProxyError:
    """Return the error of NTLM and Negotiate, which authenticate a connection and not a request."""
    detail = "a scheme that authenticates the connection needs HTTP/1.1"
    return ProxyError(Phase.REQUEST, Fault.POLICY, detail, status=NEEDS_CONNECTION)
