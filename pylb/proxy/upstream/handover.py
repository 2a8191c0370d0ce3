"""Handing a connected socket over to the event loop: the only step at which its descriptor changes owner."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Any


def hand_over(connection: socket.socket, protocol: asyncio.Protocol) -> None:
    """Let the loop make a transport of a connected socket. The loop owns the descriptor from now on.

    The transport exists when the loop calls `protocol.connection_made`, in its next iteration. Nothing can
    cancel this step: uvloop owns the descriptor before it has a transport that could close it.

    Raises:
        OSError: the loop did not accept the socket, which still owns the descriptor.
    """
    making = asyncio.get_running_loop().create_connection(lambda: protocol, sock=connection)
    waiter: asyncio.Future[Any] = making.send(None)
    # If the transport closed before the loop has taken the socket object, that object would later close the
    # same descriptor number again, which may belong to another connection by then.
    connection.detach()

    def finish(_: object) -> None:
        with suppress(StopIteration):
            making.send(None)

    waiter.add_done_callback(finish)
