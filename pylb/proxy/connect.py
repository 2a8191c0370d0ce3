"""Opening a connection to a backend, without a task and in as few turns of the loop as can be.

On a busy loop every turn costs milliseconds, and `loop.create_connection` in a task takes five of them.
Here the kernel is asked to connect at once, and the request goes to the socket as soon as it has: on one
machine in this very turn, on a network in the one in which the backend's answer to the handshake is seen.
Meanwhile the loop makes a transport of the socket. This rests on how uvloop takes over a socket.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from errno import EINPROGRESS
from functools import lru_cache
from ipaddress import ip_address
from time import monotonic
from typing import TYPE_CHECKING, Any

from pylb.errors import Fault, Phase, ProxyError
from pylb.policy.backend import Backend
from pylb.proxy.flow import EVENT, writable
from pylb.proxy.opening import Opening
from pylb.proxy.upstream import Upstream

if TYPE_CHECKING:
    from pylb.proxy.downstream import Downstream

Place = tuple[int, Any]
"""An address family, and an address in it as the kernel takes it."""


async def connect(backend: Backend, client: Downstream, timeout: float) -> Upstream:
    """Open a connection for `client`.

    Args:
        backend: where to.
        client: whose coroutine waits.
        timeout: seconds, for all of it.

    Raises:
        ProxyError: refused, unreachable, too slow, or the client left meanwhile.
    """
    client.arm(monotonic(), timeout)
    endpoint = backend.endpoint
    plane = client.plane
    try:
        places = literal(endpoint.address, endpoint.port)
        if not places:
            places = await _look_up(endpoint.address, endpoint.port, client, backend)
        for place in places:
            reached = socket.socket(place[0], socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            try:
                await _reach(reached, place, client, backend)
                if plane.preamble is not None:
                    reached.send(plane.preamble(client.ends()))  # A new connection takes so little at once.
                if name := plane.upstream_tls.name_of(endpoint):
                    upstream = await _secure(reached, client, backend, name)
                else:
                    upstream = _adopt(reached, client, backend)
                upstream.reusable = plane.preamble is None  # It speaks for one client.
                return upstream
            except OSError:
                reached.close()
                if place is places[-1]:
                    raise
            except BaseException:
                reached.close()
                raise
        raise OSError("the name has no address")
    except OSError as error:
        reason = error.strerror or str(error)
        raise ProxyError(Phase.CONNECT, Fault.UPSTREAM, f"{backend.name}: {reason}") from error


@lru_cache(maxsize=4096)
def literal(host: str, port: int) -> Sequence[Place]:
    """Where a host is that is written as an IP address; nothing for a name."""
    try:
        version = ip_address(host).version
    except ValueError:
        return ()
    if version == 4:
        return ((socket.AF_INET, (host, port)),)
    return tuple(
        (family, place) for family, *_, place in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    )


async def _look_up(host: str, port: int, client: Downstream, backend: Backend) -> Sequence[Place]:
    """The addresses of a name, asked for anew each time: names move."""
    loop = asyncio.get_running_loop()
    asking = loop.create_task(loop.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    asking.add_done_callback(client.woken)
    try:
        while not asking.done():
            _look_on(client, backend)
            await EVENT
        return [(family, place) for family, *_, place in asking.result()]
    finally:
        asking.cancel()


async def _reach(reached: socket.socket, place: Place, client: Downstream, backend: Backend) -> None:
    """Let the kernel connect."""
    reached.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    error = reached.connect_ex(place[1])
    if error == EINPROGRESS and not writable(reached):
        loop = asyncio.get_running_loop()
        settled: list[bool] = []

        def settle() -> None:
            settled.append(True)
            client.wake()

        loop.add_writer(reached, settle)
        try:
            while not settled:
                _look_on(client, backend)
                await EVENT
        finally:
            loop.remove_writer(reached)
    if error == EINPROGRESS:
        error = reached.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if error:
        raise OSError(error, os.strerror(error))


def _adopt(reached: socket.socket, client: Downstream, backend: Backend) -> Upstream:
    """Let the loop make a transport of a connected socket; meanwhile something stands in for it."""
    upstream = Upstream(backend, client, Opening(reached.fileno()))
    making = asyncio.get_running_loop().create_connection(lambda: upstream, sock=reached)
    waiter: asyncio.Future[Any] = making.send(None)
    # From here on the loop owns the descriptor. Were the transport to close before the loop has taken over
    # the socket object too, that object would later close the same number again, by then another's.
    reached.detach()

    def finish(_: object) -> None:
        with suppress(StopIteration):
            making.send(None)

    waiter.add_done_callback(finish)
    return upstream


async def _secure(reached: socket.socket, client: Downstream, backend: Backend, name: str) -> Upstream:
    """Speak TLS on a connected socket; a handshake takes so long that a task makes no difference."""
    upstream = Upstream(backend, client, opening := Opening(reached.fileno()))
    loop = asyncio.get_running_loop()
    context = client.plane.upstream_tls.context
    shaking = loop.create_task(
        loop.create_connection(lambda: upstream, sock=reached, ssl=context, server_hostname=name)
    )
    shaking.add_done_callback(client.woken)
    try:
        while not shaking.done():
            _look_on(client, backend)
            await EVENT
        shaking.result()
    except BaseException:
        opening.abort()
        shaking.cancel()
        raise
    return upstream


def _look_on(client: Downstream, backend: Backend) -> None:
    """Whether it is still worth waiting.

    Raises:
        ProxyError: it is not.
    """
    if client.lost:
        raise ProxyError(Phase.CONNECT, Fault.CLIENT, "the client left")
    if client.expired:
        waited = f"{backend.name} did not accept within {client.patience:g} s"
        raise ProxyError(Phase.CONNECT, Fault.UPSTREAM_TIMEOUT, waited)
