"""A client's connection below its protocol: the coroutine, its deadline, and the ways in which it ends.

The class is independent of HTTP. A subclass serves the connection's requests in a coroutine; this class
resumes that coroutine and measures the progress of a slow client. It may not import a handler or the server.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import Callable
from math import inf
from time import monotonic

from pylb.errors import CUT_OFF, Fault, Phase, ProxyError
from pylb.http1.address import of_peer
from pylb.proxy.addresses import ConnectionAddresses
from pylb.proxy.context import Context
from pylb.proxy.transfer import EVENT, Connection

log = logging.getLogger("pylb.proxy")

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER, on, 0 s: close by reset."""

ACKNOWLEDGED = struct.Struct("120xQ")
"""`tcpi_bytes_acked` in Linux' `struct tcp_info` (since 4.1)."""


class ClientConnection(Connection):
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
        """When the sweep sets `expired`, in monotonic seconds."""
        self.latest_deadline = inf
        """The moment beyond which progress does not postpone the deadline, in monotonic seconds."""
        self.expired = False
        """Whether the deadline has passed."""
        self.timeout = 0.0
        """Seconds by which progress moves the deadline."""
        self.progressed = False
        """Whether bytes of a body have moved since the last sweep."""
        self.taken = 0
        """Bytes that the client had acknowledged when bytes last moved while the write buffer was full."""
        self.idle = False
        """Whether it waits for the first byte of a request."""
        self.cut_off = False
        """Whether a shutdown has ended it."""
        self.discarding = False
        """Whether received bytes are discarded: a request was refused, or the connection closes."""
        self.lingering = False
        """Whether discarded bytes postpone the deadline."""
        self._busy = True
        """Whether the coroutine runs, has not begun, or has ended."""
        self._run_on: Callable[[None], object]
        """Resumes the coroutine."""

    def resume_writing(self) -> None:
        super().resume_writing()
        self.wake()

    def addresses(self) -> ConnectionAddresses:
        """Return the addresses of the client and of the listener that it connected to."""
        if self._named is not None:
            return self._named
        there = self.transport.get_extra_info("peername")
        if not there:
            return ConnectionAddresses("", 0, "", 0)
        here = self.transport.get_extra_info("sockname")
        return ConnectionAddresses(of_peer(there[0]), there[1], of_peer(here[0]), here[1])

    def wake(self) -> None:
        """Resume the coroutine, which checks its state again. Spurious calls are harmless."""
        if self._busy:
            return
        self._busy = True
        try:
            self._run_on(None)
        except StopIteration:
            return  # The coroutine has ended. `_busy` stays set, so that it is not resumed again.
        except BaseException:
            log.exception("a defect ended a client's connection")
            self.transport.abort()
            return
        self._busy = False

    def woken(self, _: object) -> None:
        """Do the same as `wake`, in the form of a future's callback."""
        self.wake()

    async def next_iteration(self) -> None:
        """Yield to the other connections, before work that does not wait otherwise."""
        asyncio.get_running_loop().call_soon(self.wake)
        await EVENT

    def set_deadline(self, now: float, seconds: float) -> None:
        """Expire, and resume the coroutine, after that many seconds without progress."""
        self.deadline = now + seconds
        self.timeout = seconds
        self.expired = self.progressed = False

    def moved(self, now: float) -> None:
        """Move the deadline, because bytes of a body have moved."""
        self.progressed = False
        self.deadline = min(now + self.timeout, self.latest_deadline)
        if self.write_paused:
            self.taken = self.acknowledged()

    def makes_progress(self, quota: float) -> bool:
        """Return True, and restart the timeout, if an expired client still reads fast enough.

        Only the kernel knows how much the client has read of a full write buffer.

        Args:
            quota: bytes that the client must have read: what `--min-body-rate` makes in the time that passed.
        """
        before, self.taken = self.taken, self.acknowledged()
        if self.taken - before < max(quota, 1):
            return False
        self.set_deadline(monotonic(), self.timeout)
        return True

    def acknowledged(self) -> int:
        """Return the bytes that have reached the client since it connected; 0 on a Unix socket."""
        connection = self.kernel_socket()
        if connection is None:
            return 0
        try:
            facts = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, ACKNOWLEDGED.size)
        except OSError:
            return 0
        return int(ACKNOWLEDGED.unpack(facts)[0])

    def lost_error(self, phase: Phase) -> ProxyError:
        """Return the reason why a request ended in that phase: the client left, or a shutdown cut it off."""
        if self.cut_off:
            return ProxyError(phase, Fault.KILLED, CUT_OFF)
        return ProxyError(phase, Fault.CLIENT, "the client left")

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
