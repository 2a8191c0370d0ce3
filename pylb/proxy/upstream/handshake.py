"""The TLS handshake on a new connection to a backend."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Protocol, cast

from pylb.proxy.transfer import EVENT
from pylb.proxy.upstream.handover import hand_over
from pylb.proxy.upstream.reach import Waiting
from pylb.proxy.waiter import Waiter

LOOP_TIMEOUT = 3600.0
"""Seconds after which uvloop ends a handshake. `--connect-timeout` ends it before that."""


class PlainConnection(asyncio.Protocol):
    """Holds a connection whose TLS handshake has not begun.

    It closes the connection through its transport and in no other way, and, if the loop has not made the
    transport yet, as soon as it is made.
    """

    def __init__(self, client: Waiter) -> None:
        self._client = client
        self._given_up = False
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        if self._given_up:
            self.transport.abort()
        else:
            self._client.wake()

    def data_received(self, data: bytes) -> None:  # noqa: ARG002
        """Close: a TLS server waits for the client's first message (RFC 8446 section 2)."""
        self.give_up()

    def give_up(self) -> None:
        """Close the connection, now or when its transport is there."""
        self._given_up = True
        if self.transport is not None:
            self.transport.abort()


class Secured(Protocol):
    """Receives a TLS connection; it is the protocol of its transport."""

    client: Waiter | None
    """The waiter of the exchange; None once it has given up."""

    def secured(self, secure: asyncio.Transport, plain: asyncio.Transport) -> None:
        """Take the transport, and the one below it, after the handshake."""


async def handshake(
    connection: socket.socket, upstream: Secured, waiting: Waiting, context: ssl.SSLContext, name: str
) -> None:
    """Upgrade a connected socket to TLS.

    Args:
        connection: the socket; its descriptor becomes the loop's.
        upstream: receives the TLS connection.
        waiting: the waiter and its deadline.
        context: how backends are verified, and which protocols are offered.
        name: the name in SNI, which the certificate must carry. A TLS connection can have it.

    Raises:
        ProxyError: the deadline passed, or the client left.
        OSError: the handshake failed.
    """
    client = waiting.client
    plain = PlainConnection(client)
    hand_over(connection, plain)
    try:
        while plain.transport is None:
            waiting.check()
            await EVENT
        task = asyncio.get_running_loop().create_task(
            _upgrade(plain.transport, upstream, context, name),
            name=f"TLS handshake with {waiting.name}",
        )
        task.add_done_callback(_retrieve)
        task.add_done_callback(client.woken)
        while not task.done():
            waiting.check()
            await EVENT
        task.result()
    except BaseException:
        upstream.client = None
        plain.give_up()  # This ends the task. Cancelling the task would leave the transport open.
        raise


def _retrieve(task: asyncio.Task[None]) -> None:
    """Retrieve the result of a handshake, so that asyncio does not log an exception that is not awaited."""
    if not task.cancelled():
        task.exception()


async def _upgrade(plain: asyncio.Transport, upstream: Secured, context: ssl.SSLContext, name: str) -> None:
    """Upgrade a connection to TLS and give it to `upstream`.

    Raises:
        OSError: the handshake failed, or the connection was closed meanwhile.
    """
    if not plain.is_closing():
        secure = await asyncio.get_running_loop().start_tls(
            plain,
            cast(asyncio.Protocol, upstream),
            context,
            server_hostname=name,
            ssl_handshake_timeout=LOOP_TIMEOUT,
        )
        if secure is not None and not plain.is_closing():
            upstream.secured(secure, plain)
            return
    raise ConnectionResetError(None, "closed in the TLS handshake")
