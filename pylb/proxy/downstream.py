"""A client's connection: the bytes, and the one coroutine that serves its requests in order."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import Callable
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from pylb.errors import CUT_OFF, Fault, Phase, ProxyError
from pylb.http1.address import of_peer
from pylb.http1.head_cache import RequestReader
from pylb.http1.parser import END_LENGTH, END_OF_HEAD, check_beginning
from pylb.http1.writer import error_response, prefers_json, response_head
from pylb.observe.record import Record
from pylb.policy.pool import Pool
from pylb.proxy.batch import INLINE_LIMIT
from pylb.proxy.binding import Bindings
from pylb.proxy.closing import close, linger
from pylb.proxy.debug_header import debug_header
from pylb.proxy.forward import forward
from pylb.proxy.redirect import redirect
from pylb.proxy.transfer import EVENT, Connection

if TYPE_CHECKING:
    from pylb.proxy.server import Server
    from pylb.proxy.upstream import Upstream

log = logging.getLogger("pylb.proxy")

RETRY_AFTER = 1
"""Seconds after which a client may try again when there was no room for its request."""

RETRIABLE = frozenset([429, 503])

CARRIAGE_RETURN = 0x0D

EMPTY_LINE = b"\r\n"

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER, on, 0 s: close by reset."""

ACKNOWLEDGED = struct.Struct("120xQ")
"""`tcpi_bytes_acked` in Linux' `struct tcp_info` (since 4.1)."""


class ConnectionAddresses(NamedTuple):
    """Both ends of a client's connection, addresses in their canonical spelling (`http1.address`).

    On a Unix socket the addresses are empty, and the ports 0.
    """

    client: str
    client_port: int
    server: str
    """The address that the client connected to."""
    server_port: int


class Downstream(Connection):
    """One client connection.

    Args:
        plane: what it shares with all others.
        named: the ends of the client's connection, as a peer in front of us names them.
        believed: whether X-Forwarded fields count on it, if it comes from a trusted proxy.
    """

    __slots__ = (
        "_believed",
        "_busy",
        "_checked",
        "_client",
        "_handle",
        "_named",
        "_run_on",
        "bound",
        "close_after_response",
        "cut_off",
        "deadline",
        "discarding",
        "error_response",
        "expired",
        "idle",
        "keep",
        "latest_deadline",
        "lingering",
        "origin",
        "plane",
        "progressed",
        "requests",
        "response_head",
        "served",
        "taken",
        "timeout",
    )

    def __init__(
        self, plane: Server, named: ConnectionAddresses | None = None, *, believed: bool = True
    ) -> None:
        super().__init__(plane.batch)
        self.plane = plane
        self._named = named
        self._believed = believed
        self._client = ""
        self.response_head: Callable[..., bytes] = response_head
        """Writes the heads of its answers."""
        self.error_response: Callable[..., bytes] = error_response
        """Writes those that are pylb's own."""
        self._handle = forward
        """What is done with a request."""
        self.close_after_response = False
        """Whether the next answer is the last."""
        self.deadline = inf
        """When the sweep sets `expired`, in monotonic seconds."""
        self.latest_deadline = inf
        """The moment beyond which bytes that move do not postpone the deadline."""
        self.expired = False
        self.timeout = 0.0
        """Seconds by which the deadline moves on while bytes move."""
        self.progressed = False
        """Whether bytes of a body moved since the last sweep."""
        self.taken = 0
        """Bytes that the client had acknowledged when bytes moved last while its write buffer was full."""
        self.idle = False
        """Whether it waits for the first byte of a request."""
        self.cut_off = False
        """Whether a shutdown ended it."""
        self.keep = True
        """Whether it can carry another request after the response that is being sent."""
        self.served = 0
        """Answers that it has had; after the first it may stay idle for longer."""
        self.bound: Bindings | None = None
        """Backend connections that carry the requests of this connection only; None as long as none does."""
        self.discarding = False
        """Whether nothing that it sends is looked at any more: it was refused, or the connection closes."""
        self.lingering = False
        """Whether what it sends postpones the deadline although it is discarded."""
        self._busy = True
        self._checked = 0
        """Bytes of a head that has begun which need not be checked again."""
        self._run_on: Callable[[None], object]

    # What the transport tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        address = self.addresses().client
        tls = transport.get_extra_info("ssl_object")
        self.origin = self.plane.origin(address, tls, believed=self._believed)
        self.requests = RequestReader(self.plane.limits, self.plane.head_cache, self.origin)
        if tls is not None:
            self.response_head = self.plane.response_head
        elif self.plane.redirect_port:
            self._handle = redirect
        if self._handle is forward and address in self.plane.explain_to:
            self._handle = debug_header
        self.close_after_response = self.plane.draining or self.plane.last_but_one == 0
        self.plane.connections.add(self)
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
            if len(data) > self.plane.limits.head:
                self.pause()  # Requests sent ahead wait in the kernel.
            self.wake()
        elif self.lingering:
            self.progressed = True

    def eof_received(self) -> bool:
        return self.pump is not None and self.pump.half_close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self.lost = True
        self.plane.connections.discard(self)
        self.plane.leave(self._client)
        self.wake()
        if self.bound is not None:
            self.bound.close()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.wake()

    def bind(self, upstream: Upstream, pool: Pool) -> None:
        """Let a backend connection carry the requests of this connection only."""
        if self.bound is None:
            self.bound = Bindings()
        self.bound.bind(upstream, pool)

    def addresses(self) -> ConnectionAddresses:
        """Where the client is, and what it connected to."""
        if self._named is not None:
            return self._named
        there = self.transport.get_extra_info("peername")
        if not there:
            return ConnectionAddresses("", 0, "", 0)
        here = self.transport.get_extra_info("sockname")
        return ConnectionAddresses(of_peer(there[0]), there[1], of_peer(here[0]), here[1])

    # The coroutine, and how it is run on.

    def wake(self) -> None:
        """Let the coroutine look at the facts again. Harmless at any time."""
        if self._busy:
            return
        self._busy = True
        try:
            self._run_on(None)
        except StopIteration:
            return  # It has ended; `_busy` stays, so that it is not run again.
        except BaseException:
            log.exception("a defect ended a client's connection")
            self.transport.abort()
            return
        self._busy = False

    def woken(self, _: object) -> None:
        """`wake` in the form of a future's callback."""
        self.wake()

    async def next_iteration(self) -> None:
        """Wait until the other connections had their turn; for work that would not wait by itself."""
        asyncio.get_running_loop().call_soon(self.wake)
        await EVENT

    def set_deadline(self, now: float, seconds: float) -> None:
        """Set `expired` and wake up after that many seconds in which no byte of a body moved."""
        self.deadline = now + seconds
        self.timeout = seconds
        self.expired = self.progressed = False

    def moved(self, now: float) -> None:
        """Bytes of a body moved: the deadline does, too."""
        self.progressed = False
        self.deadline = min(now + self.timeout, self.latest_deadline)
        if self.write_paused:
            self.taken = self.acknowledged()

    def makes_progress(self) -> bool:
        """Whether a client whose time is up reads slowly, but not too slowly; then its time begins anew.

        What it takes of a full write buffer is seen by nobody but the kernel. It must be `--min-body-rate` on
        the average over the time that has passed.
        """
        before, self.taken = self.taken, self.acknowledged()
        if self.taken - before < max(self.plane.quota, 1):
            return False
        self.set_deadline(monotonic(), self.timeout)
        return True

    def acknowledged(self) -> int:
        """Bytes that have reached the client since it connected; 0 on a Unix socket, which does not count."""
        connection = self.kernel_socket()
        if connection is None:
            return 0
        try:
            facts = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, ACKNOWLEDGED.size)
        except OSError:
            return 0
        return int(ACKNOWLEDGED.unpack(facts)[0])

    async def _serve(self) -> None:
        """Serve requests one after the other until either side wants to stop."""
        plane = self.plane
        try:
            self._client = plane.enter(self.origin)
            now = monotonic()
            while True:
                self.set_deadline(now, plane.timeouts.keepalive if self.served else plane.timeouts.head)
                while (head := self._head()) is None:
                    await EVENT
                if not head:
                    break
                record = Record(self.origin.address, monotonic())
                if not await self._handle(self, head, record):
                    if self.recv_buffer not in EMPTY_LINE:
                        self.discard()  # The client has sent more requests, and may go on.
                    break
                now = record.finished
                self.served += 1
                if self.served == plane.last_but_one:
                    self.close_after_response = True
        except ProxyError as error:  # There was no head to make a request of.
            plane.refused(self.origin.address, error, self.refuse)
            if error.fault is Fault.RESOURCE:
                self.discarding = False  # Who is one too many is not waited for.
        if self.discarding:
            await linger(self)
        await close(self)

    def _head(self) -> bytes | None:
        """The bytes of the next request's head, if they are there; empty if there will be none.

        Raises:
            ProxyError: 400, 408 or 431, for what cannot become a head.
        """
        recv_buffer = self.recv_buffer
        if recv_buffer and not self.write_paused:
            if recv_buffer[0] == CARRIAGE_RETURN:
                recv_buffer = self.recv_buffer = recv_buffer.removeprefix(
                    EMPTY_LINE
                )  # RFC 9112 §2.2 asks for this leniency.
            limits, checked = self.plane.limits, self._checked
            end = recv_buffer.find(END_OF_HEAD, checked and max(checked - END_LENGTH, 0)) + END_LENGTH
            if END_LENGTH <= end <= limits.head:
                self.recv_buffer = recv_buffer[end:]
                self.idle = False
                if checked:
                    self._checked = 0
                return recv_buffer[:end]
            if recv_buffer not in EMPTY_LINE:
                self._checked = check_beginning(recv_buffer, limits, checked)
        if self.lost:
            return b""
        if self.expired:
            if recv_buffer and not self.write_paused:
                raise ProxyError(Phase.REQUEST, Fault.CLIENT_TIMEOUT, "the request's head took too long")
            return b""
        if self.idle and recv_buffer:
            self.set_deadline(monotonic(), self.plane.timeouts.head)
        self.idle = not recv_buffer
        if self.paused:
            self.resume()
        return None

    # What pylb says itself.

    def lost_error(self, phase: Phase) -> ProxyError:
        """Why a request ended in that phase: the client left, or a shutdown cut the connection off."""
        if self.cut_off:
            return ProxyError(phase, Fault.KILLED, CUT_OFF)
        return ProxyError(phase, Fault.CLIENT, "the client left")

    def refuse(self, record: Record, error: ProxyError) -> None:
        """Answer with the error's status, or, if an answer has begun, break it off so that it shows.

        After this nothing more is read from the connection: what follows a request that was not understood,
        or not read to its end, cannot be trusted to be a request.
        """
        if self.lost:
            return
        if record.sending:
            self.reset()
            return
        detail = error.detail if error.fault is Fault.POLICY else ""
        head = record.request is not None and record.request.method == b"HEAD"
        answer = self.error_response(
            error.status,
            detail,
            request_id=record.id,
            retry_after=RETRY_AFTER if error.status in RETRIABLE else 0,
            body=not head,
            date=self.plane.date,
            as_json=record.request is not None and prefers_json(record.request.lines),
        )
        record.sent = len(answer) - answer.index(END_OF_HEAD) - END_LENGTH
        self.write(answer)
        self.discard()

    def reset(self) -> None:
        """Break the connection off so that the client sees it, whatever is still on its way to it."""
        self.flush()
        connection = self.kernel_socket()
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.transport.abort()

    def discard(self) -> None:
        """Say no more, and throw away whatever the client still sends."""
        self.discarding = True
        self.pump = None
        self.recv_buffer = b""
        self.resume()
        self.flush()
        if not self.transport.is_closing() and self.transport.can_write_eof():
            self.transport.write_eof()
