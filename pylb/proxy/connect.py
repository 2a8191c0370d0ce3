"""Opening a connection to a backend, without a task and in as few turns of the loop as can be.

On a busy loop every turn costs milliseconds, and `loop.create_connection` in a task takes five of them.
Here the kernel is asked to connect at once, and the request goes to the socket as soon as it has: on one
machine in this very turn, on a network in the one in which the backend's answer to the handshake is seen.
Meanwhile the loop makes a transport of the socket. This rests on how uvloop takes over a socket.

A descriptor has one owner at a time: the socket object until `hand_over`, the loop after it. Nothing after
`hand_over` closes the descriptor but the transport, and the step that makes the transport is never cancelled
(docs/adr/descriptor-ownership.md).
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from errno import EADDRNOTAVAIL, EMFILE, ENFILE, ENOBUFS, ENOMEM
from functools import lru_cache
from ipaddress import ip_address
from time import monotonic

from pylb.errors import Fault, Phase, ProxyError
from pylb.policy.backend import Backend
from pylb.proxy.exchange import Exchange
from pylb.proxy.handover import hand_over
from pylb.proxy.handshake import handshake
from pylb.proxy.pending_transport import PendingTransport
from pylb.proxy.reach import Address, Waiting, reach
from pylb.proxy.upstream import Upstream

OWN_RESOURCES = frozenset([EADDRNOTAVAIL, EMFILE, ENFILE, ENOBUFS, ENOMEM])
"""Errors that say that this process or host has run out of something; the backend has no part in them."""


async def connect(backend: Backend, client: Exchange, timeout: float) -> Upstream:
    """Open a connection for `client`.

    Args:
        backend: where to.
        client: whose coroutine waits.
        timeout: seconds, for all of it.

    Raises:
        ProxyError: whatever the attempt raised. The backend is at fault, also for an address or a TLS name
            that cannot exist; unless the client left, or pylb has no descriptor, port or memory left.
    """
    client.set_deadline(monotonic(), timeout)
    endpoint = backend.endpoint
    waiting = Waiting(client, backend.name)
    try:
        addresses = literal(endpoint.address, endpoint.port)
        if addresses:
            return await _open(addresses, backend, client, waiting)
        return await _open_name(backend, client, waiting)
    except ProxyError:
        raise
    except Exception as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        fault = Fault.RESOURCE if _is_own(error) else Fault.UPSTREAM
        raise ProxyError(Phase.CONNECT, fault, f"{backend.name}: {reason}") from error


@lru_cache(maxsize=4096)
def literal(host: str, port: int) -> Sequence[Address]:
    """The address of a host that is written as an IP address; nothing for a name."""
    try:
        version = ip_address(host).version
    except ValueError:
        return ()
    if version == 4:
        return ((socket.AF_INET, (host, port)),)
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    return tuple((family, address) for family, *_, address in found)


async def _open_name(backend: Backend, client: Exchange, waiting: Waiting) -> Upstream:
    """Open a connection to a backend whose address is a name."""
    host, port = backend.endpoint.address, backend.endpoint.port
    names = client.context.names
    addresses = await names.addresses(host, port, waiting)
    try:
        return await _open(addresses, backend, client, waiting)
    except Exception as error:
        if isinstance(error, ProxyError) and error.fault is Fault.CLIENT:
            waiting.passed_over.clear()  # The client left before they could answer.
        else:
            names.expire(host)  # It may have moved.
        raise
    finally:
        names.demote(host, waiting.passed_over)


async def _open(
    addresses: Sequence[Address], backend: Backend, client: Exchange, waiting: Waiting
) -> Upstream:
    """Open a connection to the first of these addresses with which that succeeds, TLS included."""
    while True:
        connection, address = await reach(addresses, waiting)
        try:
            return await _begin(connection, backend, client, waiting)
        except OSError:
            addresses = [other for other in addresses if other is not address]
            waiting.passed_over.append(address)
            if not addresses:
                raise


async def _begin(connection: socket.socket, backend: Backend, client: Exchange, waiting: Waiting) -> Upstream:
    """Make an `Upstream` of a connected socket."""
    context = client.context
    try:
        if context.preamble is not None:
            connection.send(context.preamble(client.addresses()))  # A new connection takes so little at once.
        if name := context.upstream_tls.name_of(backend.endpoint):
            upstream = Upstream(backend, client, context.batch, None)
            await handshake(connection, upstream, waiting, context.upstream_tls, name)
        else:
            upstream = Upstream(backend, client, context.batch, PendingTransport(connection.fileno()))
            hand_over(connection, upstream)
    except BaseException:
        connection.close()  # Does nothing once the loop owns the descriptor.
        raise
    upstream.reusable = context.keeps_upstreams
    return upstream


def _is_own(error: Exception) -> bool:
    """Whether a connection failed because pylb lacks descriptors, memory or local ports."""
    return isinstance(error, OSError) and error.errno in OWN_RESOURCES
