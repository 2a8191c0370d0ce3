"""Backend connections that are bound to one client connection by its authentication (NTLM, Negotiate).

These schemes authenticate the connection and not the request (RFC 4559): after the handshake the backend
treats every request on the connection as that user's. So a backend connection on which a request with such an
`Authorization` was sent carries the requests of one client connection only, all those for its service, and is
closed with it. nginx's directive `ntlm` has the same rule.

A client connection without a binding pays one check per request.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pylb.policy.backend import Backend
from pylb.policy.lease import Lease
from pylb.policy.pool import Pool
from pylb.policy.queue import Full
from pylb.proxy.upstream.upstream import Upstream


class Binding:
    """One backend's connection for one service.

    Args:
        pool: the service's pool.
        backend: the backend of the connection.
    """

    __slots__ = ("_pool", "backend", "idle")

    def __init__(self, pool: Pool, backend: Backend) -> None:
        self._pool = pool
        self.backend = backend
        self.idle: list[Any] = []
        """The connection while it carries no request; else empty."""

    def lease(self, tried: Collection[Backend], now: float, key: bytes | None) -> Lease:
        """Lease the backend of the bound connection if it is eligible; else any; see `Pool.lease`.

        Raises:
            ProxyError: no backend is eligible.
        """
        pool, backend = self._pool, self.backend
        if not self.usable or backend in tried:
            return pool.lease(tried, now, key)
        if backend.inflight >= backend.limit:
            raise Full
        pool.requests += 1
        return Lease(pool, backend, now)

    @property
    def usable(self) -> bool:
        """Whether the connection is open and idle, and its backend eligible."""
        return bool(self.idle) and self.backend in self._pool.eligible

    def close(self) -> None:
        """Close the connection."""
        while self.idle:
            self.idle.pop().close()


class Bindings:
    """The backend connections that are bound to one client connection, at most one per service."""

    __slots__ = ("_by_pool",)

    def __init__(self) -> None:
        self._by_pool: dict[Pool, Binding] = {}

    def bind(self, upstream: Upstream, pool: Pool) -> None:
        """Reserve a connection for this client, even if other connections are not kept."""
        binding = self._by_pool.get(pool)
        if binding is None or binding.backend is not upstream.backend:
            if binding is not None:
                binding.close()
            binding = self._by_pool[pool] = Binding(pool, upstream.backend)
        if upstream.home is not binding.idle:
            upstream.home = binding.idle
            upstream.reusable = not upstream.closing

    def leases(self, pool: Pool) -> Binding | Pool:
        """Return the object that leases a backend of a pool to this client."""
        return self._by_pool.get(pool, pool)

    def backend(self, pool: Pool) -> Backend | None:
        """Return the only backend that a queued request may get; None for any."""
        binding = self._by_pool.get(pool)
        return binding.backend if binding is not None and binding.usable else None

    def idle(self, backend: Backend) -> list[Any]:
        """Return the idle connections that this client may use: the bound one, or the shared ones."""
        for binding in self._by_pool.values():
            if binding.idle and binding.backend is backend:
                return binding.idle
        return backend.idle

    def close(self) -> None:
        """Close all bound connections, because the client has left."""
        for binding in self._by_pool.values():
            binding.close()
        self._by_pool.clear()
