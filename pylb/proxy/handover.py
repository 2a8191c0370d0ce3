"""Giving a connected socket to the loop, the one step at which its descriptor changes its owner."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Any


def hand_over(connection: socket.socket, protocol: asyncio.Protocol) -> None:
    """Let the loop make a transport of a connected socket. The loop owns the descriptor from here on.

    The transport exists when `protocol.connection_made` is called, in the next turn of the loop. No task and
    no caller can cancel that: uvloop has the descriptor before it has a transport to close it by.

    Raises:
        OSError: the loop did not take it; the descriptor is still the socket's.
    """
    making = asyncio.get_running_loop().create_connection(lambda: protocol, sock=connection)
    waiter: asyncio.Future[Any] = making.send(None)
    # Were the transport to close before the loop has taken over the socket object too, that object would
    # later close the same number again, by then another's.
    connection.detach()

    def finish(_: object) -> None:
        with suppress(StopIteration):
            making.send(None)

    waiter.add_done_callback(finish)
