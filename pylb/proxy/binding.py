"""Backend connections that are bound to one client connection, because authentication is (NTLM, Negotiate).

NTLM and its relatives authenticate the connection and not the request (RFC 4559): after the
handshake every request on that connection is made in the name of that user. So a backend connection on which
a request with such an `Authorization` was sent carries the requests of one client connection only, all those
of its service, and is closed with it. nginx's directive `ntlm` has the same rule.

A client connection without one costs nothing but a look whether there is one.
"""

from __future__ import annotations

from collections.abc import Collection

from pylb.policy.backend import Backend
from pylb.policy.lease import Lease
from pylb.policy.pool import Pool
from pylb.policy.queue import Full
from pylb.proxy.upstream import Upstream


class Binding:
    """One backend's connection for one service.

    Args:
        pool: of the service.
        backend: the one whose connection it is.
    """

    __slots__ = ("_pool", "backend", "idle")

    def __init__(self, pool: Pool, backend: Backend) -> None:
        self._pool = pool
        self.backend = backend
        self.idle: list[Upstream] = []
        """The connection, while it carries no request; empty when it is gone."""

    def lease(self, tried: Collection[Backend], now: float) -> Lease:
        """Lease the backend whose connection is bound, if it may get the request; else any.

        Raises:
            ProxyError: no backend may be picked.
            Full: it has as many requests as it may, or all have.
        """
        pool, backend = self._pool, self.backend
        if not self.usable or backend in tried:
            return pool.lease(tried, now)
        if backend.inflight >= backend.limit:
            raise Full
        pool.requests += 1
        return Lease(pool, backend, now)

    @property
    def usable(self) -> bool:
        """Whether the connection is still there, and its backend may get requests."""
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
        """Keep a connection that carries a request for this client alone, whatever holds for others."""
        binding = self._by_pool.get(pool)
        if binding is None or binding.backend is not upstream.backend:
            if binding is not None:
                binding.close()
            binding = self._by_pool[pool] = Binding(pool, upstream.backend)
        if upstream.home is not binding.idle:
            upstream.home = binding.idle
            upstream.reusable = not upstream.transport.is_closing()

    def leases(self, pool: Pool) -> Binding | Pool:
        """What leases a backend of a pool to this client."""
        return self._by_pool.get(pool, pool)

    def backend(self, pool: Pool) -> Backend | None:
        """The only backend that a request may wait for; None if it may be any."""
        binding = self._by_pool.get(pool)
        return binding.backend if binding is not None and binding.usable else None

    def idle(self, backend: Backend) -> list[Upstream]:
        """The connections that a request of this client may take: the bound one, or those for everybody."""
        for binding in self._by_pool.values():
            if binding.idle and binding.backend is backend:
                return binding.idle
        return backend.idle

    def close(self) -> None:
        """Close the connections: their client is gone."""
        for binding in self._by_pool.values():
            binding.close()
        self._by_pool.clear()
