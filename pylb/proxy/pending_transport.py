"""A connection that the kernel has made and the loop has no transport for yet."""

from __future__ import annotations

import asyncio
import os


class PendingTransport(asyncio.Transport):
    """Stands in for a connection's transport until the loop has made one, so that nobody waits for that.

    Args:
        descriptor: of the connected socket.
    """

    __slots__ = ("_descriptor", "left", "over")

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.left = b""
        """What the kernel did not take at once."""
        self.over = False
        """Whether it was given up: the transport is to be closed as soon as it is there."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write to the socket itself; trouble with it is left for the transport to find."""
        if self.over or self.left:
            self.left += data
            return
        try:
            written = os.write(self._descriptor, data)
        except OSError:
            written = 0
        self.left = bytes(data[written:])

    def is_closing(self) -> bool:
        """Whether it was given up."""
        return self.over

    def abort(self) -> None:
        """Give it up."""
        self.over = True

    close = abort
