"""A TLS connection whose protocol is chosen in the handshake, and TCP keepalive for shared connections."""

from __future__ import annotations

import asyncio
import socket

from pylb.proxy.waiter import Waiter

_KEEPALIVE = ((socket.TCP_KEEPIDLE, 15), (socket.TCP_KEEPINTVL, 5), (socket.TCP_KEEPCNT, 3))
"""Seconds of silence, seconds between probes, and probes without an answer, after which a peer is dead."""

_UNACKNOWLEDGED = 20_000
"""Milliseconds in which a peer acknowledges what was sent (TCP_USER_TIMEOUT)."""


def keep_alive(connection: socket.socket) -> None:
    """Let the kernel close a connection whose peer is dead: many exchanges would wait for it."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEPALIVE:
        connection.setsockopt(socket.IPPROTO_TCP, option, value)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED)


class Negotiated(asyncio.Protocol):
    """Holds a TLS connection until its protocol is made, and what has arrived meanwhile."""

    client: Waiter | None = None
    transport: asyncio.Transport

    def __init__(self) -> None:
        self.chosen: str | None = None
        """The protocol that the backend has chosen (ALPN); None if it chose none."""
        self._plain: asyncio.Transport | None = None
        self._arrived = b""

    def secured(self, secure: asyncio.Transport, plain: asyncio.Transport) -> None:
        """Take the connection after its handshake."""
        self.transport, self._plain = secure, plain
        self.chosen = secure.get_extra_info("ssl_object").selected_alpn_protocol()

    def data_received(self, data: bytes) -> None:
        self._arrived += data

    def hand_over(self, protocol: asyncio.Protocol) -> None:
        """Let a protocol continue the connection."""
        self.transport.set_protocol(protocol)
        protocol.connection_made(self.transport)
        if self._arrived:
            protocol.data_received(self._arrived)
