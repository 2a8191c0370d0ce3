"""A connection between two processes that carries whole messages, of each subject no more than the newest.

On the wire: four bytes of length, then JSON: the kind of message, and its content. Whoever sends never waits:
while the other side does not read, at most one message is on its way and one on each subject is kept, so that
a stopped process costs its peer nothing, and gets what is true now when it goes on.
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
"""Bytes of a message; a longer one is no message."""


class Channel(asyncio.Protocol):
    """One end.

    Args:
        receive: called with the kind and the content of each message.
        lost: called once, when the other end is gone.
    """

    def __init__(self, receive: Callable[[str, Any], None], lost: Callable[[], None]) -> None:
        self._receive = receive
        self._lost = lost
        self._transport: asyncio.Transport | None = None
        self._full = False
        self._waiting: dict[tuple[str, str], bytes] = {}
        self._inbox = bytearray()

    async def open(self, end: socket.socket) -> None:
        """Use one end of a socket pair. What was posted goes out; messages may come before this returns."""
        await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=end)

    def post(self, kind: str, subject: str, content: bytes) -> None:
        """Send a message as soon as the other side takes it.

        Args:
            kind: of message.
            subject: it replaces one of its kind on the same subject that still waits.
            content: JSON.
        """
        self._waiting[kind, subject] = b'["%b",%b]' % (kind.encode(), content)
        self._send()

    def close(self) -> None:
        """Hang up."""
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
        inbox = self._inbox
        inbox += data
        while len(inbox) >= LENGTH.size:
            (length,) = LENGTH.unpack_from(inbox)
            end = LENGTH.size + length
            if length > LONGEST:
                self.close()
                return
            if len(inbox) < end:
                return
            kind, content = orjson.loads(memoryview(inbox)[LENGTH.size : end])
            del inbox[:end]
            self._receive(kind, content)

    def _send(self) -> None:
        while self._waiting and self._transport is not None and not self._full:
            message = self._waiting.pop(next(iter(self._waiting)))
            self._transport.write(LENGTH.pack(len(message)) + message)
