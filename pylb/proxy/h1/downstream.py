"""A client connection with HTTP/1: it serves requests in order, and is itself the exchange of each of them.

This file decides how HTTP/1 messages are framed towards the client, and whether the connection carries
another request. It receives its handler from the server and may not import one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

from pylb.errors import Fault, Phase, ProxyError
from pylb.http1.bad_request import bad_request
from pylb.http1.body import CHUNKED, IDENTITY, Chunked, Sized
from pylb.http1.head_cache import RequestReader
from pylb.http1.parser import END_LENGTH, END_OF_HEAD, Request, Response, check_beginning
from pylb.http1.writer import add_fields, response_head, short_response
from pylb.observe.record import Record
from pylb.proxy.addresses import ConnectionAddresses
from pylb.proxy.batch import INLINE_LIMIT
from pylb.proxy.client_connection import ClientConnection
from pylb.proxy.closing import close, linger
from pylb.proxy.context import Context
from pylb.proxy.exchange import ExtraFields, Handler
from pylb.proxy.failure import fail, failure_response
from pylb.proxy.request_body import RequestBodyPump, too_large
from pylb.proxy.service import Service
from pylb.proxy.transfer import EVENT, BodyPump
from pylb.proxy.upstream.binding import Bindings
from pylb.proxy.upstream.upstream import Upstream

CARRIAGE_RETURN = 0x0D

EMPTY_LINE = b"\r\n"

PREFACE = b"PRI * HTTP/2.0\r\n\r\n"
"""The head of a client that knows that the server understands HTTP/2 (RFC 9113 §3.4)."""


class Downstream(ClientConnection):
    """One connection of a client with HTTP/1.

    Args:
        context: what all requests of the worker share.
        choose_handler: returns the handler of the connection's requests, given the client's address and
            whether the connection uses TLS.
        named: the addresses from a PROXY protocol preamble; None takes those of the transport.
        believed: whether X-Forwarded fields count, if the connection comes from a trusted proxy.
        switch: makes the protocol that takes over a connection whose client begins with the preface of
            HTTP/2, given `named` and `believed`; None refuses such a client.
    """

    __slots__ = (
        "_believed",
        "_choose_handler",
        "_client",
        "_handle",
        "_parser",
        "_scanned",
        "_switch",
        "bound",
        "client_info",
        "extra_fields",
        "handed_over",
        "keep",
        "served",
        "service",
    )

    def __init__(
        self,
        context: Context,
        choose_handler: Callable[[str, bool], Handler],
        named: ConnectionAddresses | None = None,
        *,
        believed: bool = True,
        switch: Callable[..., asyncio.Protocol] | None = None,
    ) -> None:
        super().__init__(context, named)
        self._switch = switch
        self._believed = believed
        self._client = ""
        """What `Clients.leave` takes when the connection ends."""
        self.extra_fields: ExtraFields | None = None
        """Returns field lines to add to each response; None adds none."""
        self._choose_handler = choose_handler
        self._handle: Handler
        """Serves a request."""
        self.keep = True
        """Whether another request may follow the response that is being sent."""
        self.handed_over = False
        """Whether another protocol continues the connection."""
        self.served = 0
        """Requests that were served. After the first, the connection may stay idle for longer."""
        self.service: Service
        """What the present request uses; the last one's between requests."""
        self.bound: Bindings | None = None
        """Backend connections that only this client may use; None if there are none."""
        self._scanned = 0
        """Bytes of an incomplete head that need no second check."""

    # Callbacks of the transport.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        address = self.addresses().client
        tls = transport.get_extra_info("ssl_object")
        self.client_info = self.context.client_info(address, tls, believed=self._believed)
        self._parser = RequestReader(self.context.limits, self.context.head_cache, self.client_info)
        if tls is not None:
            self.extra_fields = self.context.tls_fields
        self._handle = self._choose_handler(address, tls is not None)
        self.close_after_response = self.context.draining or self.context.last_but_one == 0
        self.context.connections.add(self)
        self._run_on = self._serve().send  # Not before: a TLS handshake that fails makes no connection.
        self._busy = False
        self.wake()

    def data_received(self, data: bytes) -> None:
        if self.pump is not None:
            self.pump.feed(data)
        elif not self.discarding:
            if self.recv_buffer:
                data = self.recv_buffer + data
            self.recv_buffer = data
            if len(data) <= INLINE_LIMIT:
                self._batch.wake(self)
                return
            if len(data) > self.context.limits.max_head:
                self.pause()  # Pipelined requests wait in the kernel.
            self.wake()
        elif self.lingering:
            self.progressed = True

    def eof_received(self) -> bool:
        return self.pump is not None and self.pump.half_close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self.lost = True
        self.context.connections.discard(self)
        self.context.clients.leave(self._client)
        self.wake()
        if self.bound is not None:
            self.bound.close()

    # The coroutine.

    async def _serve(self) -> None:
        """Serve requests in order until the client or pylb closes the connection.

        Each request, and each refused beginning of one, is reported exactly once.
        """
        context = self.context
        try:
            self._client = context.clients.enter(self.client_info, len(context.connections) - 1)
            now = monotonic()
            while True:
                self.set_deadline(
                    now, context.timeouts.keepalive_timeout if self.served else context.timeouts.head_timeout
                )
                while (head := self._head()) is None:
                    await EVENT
                if not head:
                    break
                record = Record(self.client_info.address, monotonic())
                keep = False
                try:
                    request = record.request = self._parser.read(head)
                    context.identify(record, self.client_info)
                    keep = await self._handle(self, request, record)
                except Exception as failure:
                    fail(self, record, failure)
                finally:
                    context.observe(record)
                if not keep:
                    if self.recv_buffer not in EMPTY_LINE:
                        self.discard()  # The client has pipelined requests and may send more.
                    break
                now = record.finished
                self.served += 1
                if self.served == context.last_but_one:
                    self.close_after_response = True
        except ProxyError as error:  # No head arrived that could be parsed.
            record = Record(self.client_info.address, monotonic())
            fail(self, record, error)
            context.observe(record)
            if error.fault is Fault.RESOURCE:
                self.discarding = False  # Do not linger for a client beyond the connection limit.
        if self.handed_over:
            return
        if self.discarding:
            await linger(self)
        await close(self)

    def _head(self) -> bytes | None:
        """Return the bytes of the next head, if they have arrived; empty if no request follows.

        Raises:
            ProxyError: 400, 408 or 431, for bytes that cannot become a head.
        """
        recv_buffer = self.recv_buffer
        if recv_buffer and not self.write_paused:
            if recv_buffer[0] == CARRIAGE_RETURN:  # RFC 9112 section 2.2 asks for this leniency.
                recv_buffer = self.recv_buffer = recv_buffer.removeprefix(EMPTY_LINE)
            elif not self.served and recv_buffer.startswith(PREFACE) and self._switch is not None:
                self._hand_over(self._switch)
                return b""
            limits, scanned = self.context.limits, self._scanned
            end = recv_buffer.find(END_OF_HEAD, scanned and max(scanned - END_LENGTH, 0)) + END_LENGTH
            if END_LENGTH <= end <= limits.max_head:
                self.recv_buffer = recv_buffer[end:]
                self.idle = False
                if scanned:
                    self._scanned = 0
                return recv_buffer[:end]
            if recv_buffer not in EMPTY_LINE:
                self._scanned = check_beginning(recv_buffer, limits, scanned)
        if self.lost:
            return b""
        if self.expired:
            if recv_buffer and not self.write_paused:
                raise ProxyError(Phase.REQUEST, Fault.CLIENT_TIMEOUT, "the request's head took too long")
            return b""
        if self.idle and recv_buffer:
            self.set_deadline(monotonic(), self.context.timeouts.head_timeout)
        self.idle = not recv_buffer
        if self.paused and not self.write_paused:
            self.resume()
        return None

    def _hand_over(self, switch: Callable[..., asyncio.Protocol]) -> None:
        """Let another protocol continue a connection on which nothing was served."""
        data, self.recv_buffer = self.recv_buffer, b""
        self.handed_over = True
        self.context.connections.discard(self)
        self.context.clients.leave(self._client)
        protocol = switch(self._named, believed=self._believed)
        self.transport.set_protocol(protocol)
        self.resume()  # Before the protocol may pause it: else it would be read without a limit.
        protocol.connection_made(self.transport)
        protocol.data_received(data)

    # The exchange: one request and its response.

    def body(self, request: Request) -> tuple[bytes, BodyPump | None]:
        """Return the request's body, if it is small and arrived with the head; else a pump for it.

        The caller starts the pump once it has a backend connection.

        Raises:
            ProxyError: 413, for a declared length above `--max-body`.
        """
        service, length = self.service, request.length
        if length > service.max_body:
            raise too_large(service.max_body)
        if 0 < length <= min(INLINE_LIMIT, len(self.recv_buffer)):
            body, self.recv_buffer = self.recv_buffer[:length], self.recv_buffer[length:]
            return body, None
        decoder = Chunked(bad_request) if request.chunked else Sized(length)
        return b"", RequestBodyPump(self, decoder, limit=service.max_body, quota=service.quota)

    def after_delay(self, request: Request, now: float) -> Request:  # noqa: ARG002
        """Return the request as it is."""
        return request

    def interim(self, request: Request, response: Response) -> None:
        """Send an interim response (1xx) at once. HTTP/1.0 has none (RFC 9110 section 15.2)."""
        if request.version == 1:
            self.write(response_head(response, chunked=False, close=False, version=1))

    def switch(self, response: Response) -> bytes:
        """Return the head of a 101."""
        return response_head(response, chunked=False, close=False, version=1)

    def respond(
        self,
        upstream: Upstream,
        record: Record,
        request: Request,
        response: Response,
        *,
        upload: BodyPump | None,
    ) -> BodyPump | None:
        """See `Exchange.respond`. The body's framing on arrival selects its framing for the client.

        A body of known length keeps it. Any other body is chunked; for HTTP/1.0 it ends with the connection,
        which then cannot be reused.
        """
        if request.authenticates_connection:
            self._bind(upstream)
        length, chunked = upstream.length, False
        keep = not (request.close or self.close_after_response)
        if length < 0:
            chunked = request.version == 1
            keep = keep and chunked
        if upload is not None and not upload.done:  # The beginning of the next request cannot be found.
            keep = False
            upstream.distrust(wholly=True)
        self.keep = keep

        plain = keep and request.version == 1 and self.extra_fields is None
        head = (response.cached_head if plain else b"") or response_head(
            response, chunked=chunked, close=not keep, version=request.version, date=self.context.date
        )
        if self.extra_fields is not None:
            head = add_fields(head, self.extra_fields(response))
        record.status = response.status
        record.sending = True
        if length == len(upstream.recv_buffer):
            self.queue_write(head + upstream.recv_buffer)
            upstream.recv_buffer = b""
            record.sent = length
            record.finished = record.attempts[-1].head
            return None
        pump = BodyPump(upstream, upstream.decoder(response), CHUNKED if chunked else IDENTITY, self)
        self.set_deadline(record.attempts[-1].head, self.service.timeouts.body_timeout)
        pump.start(self, head)
        return pump

    def _bind(self, upstream: Upstream) -> None:
        """Reserve a backend connection for the requests of this client."""
        if self.bound is None:
            self.bound = Bindings()
        self.bound.bind(upstream, self.service.pool)

    def answer(self, record: Record, request: Request, status: int, fields: bytes, text: bytes = b"") -> bool:
        """Send a response of pylb; return whether another request may follow.

        None may follow a request with a body, because nothing reads that.
        """
        keep = not (request.close or self.close_after_response or request.length or request.chunked)
        record.status = status
        record.sending = True
        body = request.method != b"HEAD"
        answer = short_response(
            status,
            fields,
            text,
            body=body,
            close=not keep,
            version=request.version,
            date=self.context.date,
        )
        record.sent = len(text) if body else 0
        if self.extra_fields is not None:
            answer = add_fields(answer, self.extra_fields(None))
        self.queue_write(answer)
        if not keep:
            self.discard()
        return keep

    def refuse(self, record: Record, error: ProxyError) -> None:
        """Answer with the error's status; reset the connection if a response has begun.

        After this pylb reads nothing more from the connection: bytes after a request that could not be
        parsed, or was not read to its end, cannot be trusted to be a request.
        """
        if self.lost:
            return
        if record.sending:
            self.reset()
            return
        answer = failure_response(record, error, self.context.date)
        record.sent = len(answer) - answer.index(END_OF_HEAD) - END_LENGTH
        if self.extra_fields is not None:
            answer = add_fields(answer, self.extra_fields(None))
        self.write(answer)
        self.discard()
