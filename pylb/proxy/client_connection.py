"""A client's connection below its protocol: the coroutine, its deadline, and the ways in which it ends.

The class is independent of HTTP. A subclass serves the connection's requests in a coroutine; this class
resumes that coroutine and measures the progress of a slow client. It may not import a handler or the server.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from math import inf

from pylb.proxy.addresses import ConnectionAddresses, addresses_of
from pylb.proxy.context import Context
from pylb.proxy.driven import Driven
from pylb.proxy.transfer import Connection

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER, on, 0 s: close by reset."""

ACKNOWLEDGED = struct.Struct("120xQ")
"""`tcpi_bytes_acked` in Linux' `struct tcp_info` (since 4.1)."""


class ClientConnection(Connection, Driven):
    """One connection of a client, and the coroutine that serves it.

    Args:
        context: what all requests of the worker share.
        named: the addresses from a PROXY protocol preamble; None takes those of the transport.
    """

    __slots__ = (
        "_busy",
        "_named",
        "_run_on",
        "close_after_response",
        "context",
        "cut_off",
        "deadline",
        "discarding",
        "expired",
        "idle",
        "latest_deadline",
        "lingering",
        "progressed",
        "taken",
        "timeout",
    )

    def __init__(self, context: Context, named: ConnectionAddresses | None = None) -> None:
        super().__init__(context.batch)
        self.context = context
        self._named = named
        self.close_after_response = False
        """Whether the next response is the last."""
        self.deadline = inf
        self.latest_deadline = inf
        self.expired = False
        self.timeout = 0.0
        self.progressed = False
        self.taken = 0
        self.idle = False
        """Whether it waits for the first byte of a request."""
        self.cut_off = False
        self.discarding = False
        """Whether received bytes are discarded: a request was refused, or the connection closes."""
        self.lingering = False
        """Whether discarded bytes postpone the deadline."""
        self._busy = True
        self._run_on: Callable[[None], object]

    def resume_writing(self) -> None:
        super().resume_writing()
        self.wake()

    def addresses(self) -> ConnectionAddresses:
        """Return the addresses of the client and of the listener that it connected to."""
        return self._named or addresses_of(self.transport)

    def drain(self, now: float, idle: float) -> None:
        """Let the next response be the last; an idle client may begin a request for `idle` more seconds."""
        self.close_after_response = True
        if self.idle:
            self.deadline = min(self.deadline, now + idle)

    def cut_all(self) -> None:
        """Mark the connection as ended by a shutdown."""
        self.lost = self.cut_off = True

    def abort(self) -> None:
        """Close the connection at once."""
        self.wake()
        self.transport.abort()

    def acknowledged(self) -> int:
        """Return the bytes that have reached the client since it connected; 0 on a Unix socket.

        Only the kernel knows how much the client has read of a full write buffer.
        """
        connection = self.kernel_socket()
        if connection is None:
            return 0
        try:
            facts = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, ACKNOWLEDGED.size)
        except OSError:
            return 0
        return int(ACKNOWLEDGED.unpack(facts)[0])

    def reset(self) -> None:
        """Close the connection by a TCP reset, so that the client notices the failure."""
        self.flush()
        connection = self.kernel_socket()
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.transport.abort()

    def discard(self) -> None:
        """Send no more, and discard what the client still sends."""
        self.discarding = True
        self.pump = None
        self.recv_buffer = b""
        self.resume()
        self.flush()
        if not self.transport.is_closing() and self.transport.can_write_eof():
            self.transport.write_eof()
