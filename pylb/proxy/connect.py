"""Opening a connection to a backend, without a task and in as few loop iterations as possible.

On a busy loop each iteration takes milliseconds, and `loop.create_connection` in a task needs five of them.
This file calls `connect` at once and writes the request to the socket as soon as it is connected: on one host
in the same iteration, on a network in the iteration that sees the end of the TCP handshake. Meanwhile the
loop makes a transport of the socket. This depends on how uvloop takes over a socket.

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
"""Errors that mean that this process or host lacks a resource. They do not count against the backend."""


async def connect(backend: Backend, client: Exchange, timeout: float) -> Upstream:
    """Open a connection for `client`.

    Args:
        backend: the backend to connect to.
        client: the exchange whose coroutine waits.
        timeout: seconds for all steps together.

    Raises:
        ProxyError: the attempt failed. The fault is the backend's, also for an address or TLS name that
        cannot
            exist, unless the client left or pylb has no descriptor, port or memory left.
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
    """Return the address of a host that is written as an IP address; empty for a name."""
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
            waiting.passed_over.clear()  # The client left before the addresses could accept.
        else:
            names.expire(host)  # The name may have new addresses.
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
            connection.send(
                context.preamble(client.addresses())
            )  # An empty send buffer accepts these few bytes.
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
    """Return whether a connection failed because pylb lacks descriptors, memory or local ports."""
    return isinstance(error, OSError) and error.errno in OWN_RESOURCES
