"""A stand-in for the transport of a connected socket, until the loop has made the real one."""

from __future__ import annotations

import asyncio
import os


class PendingTransport(asyncio.Transport):
    """Writes to a connected socket before the loop has made its transport, so that no request waits for it.

    Args:
        descriptor: of the connected socket.
    """

    __slots__ = ("_descriptor", "left", "over")

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.left = b""
        """Bytes that the kernel did not accept at once."""
        self.over = False
        """Whether the connection was aborted. The transport is closed as soon as it exists."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write to the socket directly. The transport will report errors of the socket."""
        if self.over or self.left:
            self.left += data
            return
        try:
            written = os.write(self._descriptor, data)
        except OSError:
            written = 0
        self.left = bytes(data[written:])

    def is_closing(self) -> bool:
        """Return whether the connection was aborted."""
        return self.over

    def abort(self) -> None:
        """Abort the connection as soon as its transport exists."""
        self.over = True

    close = abort
