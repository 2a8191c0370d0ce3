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

import logging
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from errno import EADDRNOTAVAIL, EMFILE, ENFILE, ENOBUFS, ENOMEM
from functools import lru_cache
from ipaddress import ip_address
from time import monotonic
from typing import Protocol

from pylb.config.backends import BackendConnections
from pylb.errors import Fault, Phase, ProxyError, UnprocessedError
from pylb.http1.head_cache import ResponseReader
from pylb.policy.backend import Backend
from pylb.proxy.addresses import ConnectionAddresses
from pylb.proxy.batch import WriteBatch
from pylb.proxy.upstream.h1 import H1Upstream
from pylb.proxy.upstream.h2_pool import pool_of
from pylb.proxy.upstream.handover import hand_over
from pylb.proxy.upstream.handshake import handshake
from pylb.proxy.upstream.names import Names
from pylb.proxy.upstream.negotiated import Negotiated, keep_alive
from pylb.proxy.upstream.pending_transport import PendingTransport
from pylb.proxy.upstream.reach import Address, Waiting, reach
from pylb.proxy.upstream.tls import UpstreamTls
from pylb.proxy.upstream.upstream import Upstream
from pylb.proxy.waiter import Waiter

log = logging.getLogger("pylb.proxy")

HTTP1, AUTO = "http1", "auto"
"""Protocols of a backend; see `--upstream-protocol`."""

OWN_RESOURCES = frozenset([EADDRNOTAVAIL, EMFILE, ENFILE, ENOBUFS, ENOMEM])
"""Errors that mean that this process or host lacks a resource. They do not count against the backend."""


class Client(Waiter, Protocol):
    """The waiter that a connection is opened for."""

    def addresses(self) -> ConnectionAddresses:
        """Return the addresses of the client and of the listener that it connected to."""


@dataclass(frozen=True, slots=True)
class UpstreamRules:
    """How connections to backends are opened."""

    tls: UpstreamTls = field(default_factory=lambda: UpstreamTls(BackendConnections()))
    """Which backends use TLS; by default those whose endpoint asks for it."""
    preamble: Callable[[ConnectionAddresses], bytes] | None = None
    """Writes the PROXY protocol preamble at the beginning of a connection; None sends none. A connection with
    one has a single client, so it uses HTTP/1.1."""
    protocol: str = HTTP1
    """The protocol of backends whose endpoint names none."""


Begin = Callable[[socket.socket, Backend, Client, Waiting], Awaitable[Upstream]]
"""Makes the first exchange on a connected socket."""


class Connector:
    """Opens connections to backends, and shares those with HTTP/2.

    Args:
        rules: TLS and the preamble.
        batch: writes queued messages at the end of the loop iteration.
        responses: parses the heads of responses.
        reusable: whether a connection may carry requests of several clients.
    """

    def __init__(
        self,
        rules: UpstreamRules,
        batch: WriteBatch,
        responses: ResponseReader,
        *,
        reusable: bool,
    ) -> None:
        self._rules = rules
        self._batch = batch
        self._responses = responses
        self._reusable = reusable and rules.preamble is None
        self._warned: set[str] = set()
        """Services for which the log has a warning about calls of gRPC."""
        self.names = Names()
        """Resolves the names of backends that are registered by name."""

    async def connect(self, backend: Backend, client: Client, timeout: float) -> Upstream:
        """Return an exchange for `client`: on a new connection, or on one with HTTP/2 that has room.

        Args:
            backend: the backend to connect to.
            client: the waiter that waits for the connection.
            timeout: seconds for all steps together.

        Raises:
            ProxyError: the attempt failed. The fault is the backend's, also for an address or TLS name that
                cannot exist, unless the client left or pylb has no descriptor, port or memory left.
        """
        client.set_deadline(monotonic(), timeout)
        waiting = Waiting(client, backend.name)
        rules = self._rules
        if (backend.endpoint.protocol or rules.protocol) != HTTP1 and rules.preamble is None:
            shared = await self._share(backend, client, waiting)
            if shared is not None:
                return shared
        if client.needs_http2:
            raise self._needs_http2(backend)
        return await self._connect(backend, client, waiting, self._begin)

    async def _share(self, backend: Backend, client: Client, waiting: Waiting) -> Upstream | None:
        """Return an exchange on a connection with HTTP/2; None if the backend uses HTTP/1.1."""
        pool = pool_of(backend, self._batch)
        if self._negotiates(backend):
            if not self._rules.tls.name_of(backend.endpoint):
                return None  # Only TLS negotiates the version (RFC 9113 section 3.2).
            if not backend.connections:
                pool.uses_http1 = False  # The first connection negotiates again.
        return await pool.connect(waiting, lambda: self._connect(backend, client, waiting, self._begin_h2))

    def _negotiates(self, backend: Backend) -> bool:
        """Return whether a backend chooses the version of HTTP."""
        return (backend.endpoint.protocol or self._rules.protocol) == AUTO

    async def _connect(self, backend: Backend, client: Client, waiting: Waiting, begin: Begin) -> Upstream:
        """Open a connection, and return the first exchange on it; see `connect`."""
        endpoint = backend.endpoint
        try:
            addresses = literal(endpoint.address, endpoint.port)
            if addresses:
                return await self._open(addresses, backend, client, waiting, begin)
            return await self._open_name(backend, client, waiting, begin)
        except ProxyError:
            raise
        except Exception as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            fault = Fault.RESOURCE if _is_own(error) else Fault.UPSTREAM
            raise ProxyError(Phase.CONNECT, fault, f"{backend.name}: {reason}") from error

    async def _open_name(self, backend: Backend, client: Client, waiting: Waiting, begin: Begin) -> Upstream:
        """Open a connection to a backend whose address is a name."""
        host, port = backend.endpoint.address, backend.endpoint.port
        addresses = await self.names.addresses(host, port, waiting)
        try:
            return await self._open(addresses, backend, client, waiting, begin)
        except Exception as error:
            if isinstance(error, ProxyError) and error.fault is Fault.CLIENT:
                waiting.passed_over.clear()  # The client left before the addresses could accept.
            else:
                self.names.expire(host)  # The name may have new addresses.
            raise
        finally:
            self.names.demote(host, waiting.passed_over)

    async def _open(
        self,
        addresses: Sequence[Address],
        backend: Backend,
        client: Client,
        waiting: Waiting,
        begin: Begin,
    ) -> Upstream:
        """Open a connection to the first of these addresses with which that succeeds, TLS included."""
        while True:
            connection, address = await reach(addresses, waiting)
            try:
                return await begin(connection, backend, client, waiting)
            except OSError:
                addresses = [other for other in addresses if other is not address]
                waiting.passed_over.append(address)
                if not addresses:
                    raise

    async def _begin(
        self, connection: socket.socket, backend: Backend, client: Client, waiting: Waiting
    ) -> Upstream:
        """Make an upstream of a connected socket."""
        rules = self._rules
        try:
            if rules.preamble is not None:  # An empty send buffer accepts these few bytes.
                connection.send(rules.preamble(client.addresses()))
            if name := rules.tls.name_of(backend.endpoint):
                upstream = H1Upstream(backend, client, self._batch, self._responses)
                await handshake(connection, upstream, waiting, rules.tls.context, rules.tls.valid(name))
            else:
                pending = PendingTransport(connection.fileno())
                upstream = H1Upstream(backend, client, self._batch, self._responses, pending)
                hand_over(connection, upstream)
        except BaseException:
            connection.close()  # Does nothing once the loop owns the descriptor.
            raise
        upstream.reusable = self._reusable
        return upstream

    async def _begin_h2(
        self, connection: socket.socket, backend: Backend, client: Client, waiting: Waiting
    ) -> Upstream:
        """Make a connection with HTTP/2 of a connected socket, or the version that TLS negotiates."""
        tls, pool = self._rules.tls, pool_of(backend, self._batch)
        negotiates = self._negotiates(backend)
        try:
            keep_alive(connection)
            if not (name := tls.name_of(backend.endpoint)):
                shared = pool.make(self._responses, tls=False)
                hand_over(connection, shared)
                return pool.add(shared, client)
            negotiated = Negotiated()
            offered = ("h2", "http/1.1") if negotiates else ("h2",)
            await handshake(connection, negotiated, waiting, tls.offering(*offered), tls.valid(name))
        except BaseException:
            connection.close()  # Does nothing once the loop owns the descriptor.
            raise
        if negotiated.chosen == "h2":
            shared = pool.make(self._responses, tls=True)
            negotiated.hand_over(shared)
            return pool.add(shared, client)
        if not negotiates:
            negotiated.transport.abort()
            raise ConnectionError("the backend does not offer HTTP/2 (ALPN)")
        pool.uses_http1 = True
        if client.needs_http2:
            negotiated.transport.close()
            raise self._needs_http2(backend)
        upstream = H1Upstream(backend, client, self._batch, self._responses)
        negotiated.hand_over(upstream)
        upstream.reusable = self._reusable
        return upstream

    def _needs_http2(self, backend: Backend) -> ProxyError:
        """Return the error of a call of gRPC whose backend uses HTTP/1.1; another backend may serve it."""
        service = backend.endpoint.service
        detail = f"service {service} uses HTTP/1.1, gRPC needs --upstream-protocol h2 or lb_protocol=h2c"
        if service not in self._warned:
            self._warned.add(service)
            log.warning("%s; its calls end with code 14", detail)
        return UnprocessedError(Phase.CONNECT, Fault.POLICY, detail)


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


def _is_own(error: Exception) -> bool:
    """Return whether a connection failed because pylb lacks descriptors, memory or local ports."""
    return isinstance(error, OSError) and error.errno in OWN_RESOURCES
