"""A connection between two processes that carries messages; only the newest of each subject is queued.

A message is four bytes of length, then JSON: the kind of message and its content. The sender never blocks.
While the peer does not read, at most one message is in transit and the newest one of each subject is queued.
Thus a stopped process uses no memory of its peer, and receives the current state when it continues.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Any, cast

import orjson

LENGTH = struct.Struct("!I")
LONGEST = 1 << 30
"""Maximum bytes of a message; the connection is closed at a longer one."""


class Channel(asyncio.Protocol):
    """One end of the connection.

    Args:
        receive: called with the kind and the content of each message.
        lost: called once, when the connection is closed.
    """

    def __init__(self, receive: Callable[[str, Any], None], lost: Callable[[], None]) -> None:
        self._receive = receive
        self._lost = lost
        self._transport: asyncio.Transport | None = None
        self._full = False
        self._queue: dict[tuple[str, str], bytes | Callable[[], bytes]] = {}
        self._recv_buffer = bytearray()

    async def open(self, end: socket.socket) -> None:
        """Use one end of a socket pair and send the queue. Messages may arrive before this returns."""
        await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=end)

    def queue_message(self, kind: str, subject: str, content: bytes | Callable[[], bytes]) -> None:
        """Queue a message, which is sent as soon as the peer reads.

        Args:
            kind: the kind of message.
            subject: the message replaces a queued one of the same kind and subject.
            content: JSON, or a function that returns it at the moment at which the message is sent. Such a
                message moves behind those that are queued, on which its content may depend.
        """
        if callable(content):
            self._queue.pop((kind, subject), None)
        self._queue[kind, subject] = content
        self._send()

    def close(self) -> None:
        """Close the connection immediately."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=0)
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """See `asyncio.Protocol`."""
        self._transport = None
        self._lost()

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._full = True

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._full = False
        self._send()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        buffer = self._recv_buffer
        buffer += data
        while len(buffer) >= LENGTH.size:
            (length,) = LENGTH.unpack_from(buffer)
            end = LENGTH.size + length
            if length > LONGEST:
                self.close()
                return
            if len(buffer) < end:
                return
            kind, content = orjson.loads(memoryview(buffer)[LENGTH.size : end])
            del buffer[:end]
            self._receive(kind, content)

    def _send(self) -> None:
        while self._queue and self._transport is not None and not self._full:
            kind, subject = next(iter(self._queue))
            content = self._queue.pop((kind, subject))
            message = b'["%b",%b]' % (kind.encode(), content() if callable(content) else content)
            self._transport.write(LENGTH.pack(len(message)) + message)
