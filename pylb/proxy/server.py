"""The listeners of one worker: they accept connections, and one sweep expires, drains and closes them.

The server is the top of the data plane: it makes client connections and gives them their handlers. No other
module of `pylb.proxy` imports it.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from email.utils import formatdate
from functools import partial
from itertools import chain
from time import monotonic

from pylb.model import PoolState
from pylb.policy.change import Change
from pylb.proxy.addresses import ConnectionAddresses
from pylb.proxy.context import Context
from pylb.proxy.h1.downstream import Downstream
from pylb.proxy.h2.connection import H2Connection
from pylb.proxy.handlers.choice import HandlerRules, choose_handler
from pylb.proxy.negotiation import Negotiation
from pylb.proxy.proxyprotocol import Preamble
from pylb.proxy.sweep import PERIOD, Sweep
from pylb.proxy.tls.certificates import Certificates
from pylb.proxy.upstream.idle import abandon, close_idle, close_unused
from pylb.proxy.waiter import Expiring

CERTIFICATES = 2.0
"""Seconds between two checks whether certificate files have changed."""

UNSENT = 128 * 1024
"""Unsent bytes that the kernel buffers for a client, beyond those in flight (TCP_NOTSENT_LOWAT).

By default the kernel buffers up to 4 MB for a client that does not read. Then bodies fill its memory, a
thousand slow readers cost a gigabyte of copies at once, and pylb cannot detect that they are slow."""

HANDSHAKE = 1.0
"""Seconds from the beginning of a drain in which TLS handshakes in progress may finish."""

TLS_GOODBYE = 2.0
"""Seconds that a client has to answer a TLS close_notify before the connection is cut off."""

IDLE_AT_DRAIN = 0.1
"""The fraction of the drain timeout for which an idle client connection stays open.

A client that is about to send a request can send it and receives `Connection: close` with the response; other
idle clients do not delay the end of the drain."""


class Server:
    """The listeners and client connections of one worker.

    Args:
        context: what all requests of the worker share.
        handlers: which requests are not simply forwarded.
        proxy_protocol: whether trusted peers begin each connection with a PROXY protocol preamble.
    """

    def __init__(
        self, context: Context, handlers: HandlerRules | None = None, *, proxy_protocol: bool = False
    ) -> None:
        self.context = context
        self._choose_handler = partial(choose_handler, handlers or HandlerRules())
        self._proxy_protocol = proxy_protocol
        self._look_at_certificates = 0.0
        self._servers: list[asyncio.Server] = []
        self._closed = False
        self.sweep = Sweep(
            self._update_date,
            self._tick_sessions,
            self._expire_clients,
            self._wake_flushing,
            self._maintain_pools,
            self._refresh_certificates,
        )

    async def listen(self, listening: socket.socket) -> None:
        """Accept connections on a bound socket."""
        loop = asyncio.get_running_loop()
        _keep_little_unsent(listening)
        make = self._preamble if self._proxy_protocol else self._client
        self._servers.append(await loop.create_server(make, sock=listening, backlog=4096))
        self.sweep.start()

    async def listen_tls(self, listening: socket.socket, certificates: Certificates) -> None:
        """Accept TLS connections on a bound socket."""
        loop = asyncio.get_running_loop()
        _keep_little_unsent(listening)
        server = await loop.create_server(
            self._negotiated if self.context.http2.http2 else self._client,
            sock=listening,
            backlog=4096,
            ssl=certificates.context,
            ssl_handshake_timeout=self.context.timeouts.head_timeout,
            ssl_shutdown_timeout=TLS_GOODBYE,
        )
        self._servers.append(server)
        self.context.certificates = certificates
        self.sweep.start()

    def apply(self, state: PoolState) -> Change:
        """Apply the state of a service's pool.

        A removed backend loses its idle connections, and requests in flight on it finish. Requests on
        aborted instances are broken off.
        """
        pool = self.context.services[state.service].pool
        change = pool.apply(state)
        for backend in change.removed:
            close_unused(backend)
        if state.aborted:
            for backend in pool.draining.values():
                if backend.key in state.aborted:
                    abandon(backend)
        return change

    async def drain(self, timeout: float) -> int:
        """Stop accepting connections, let requests in flight finish, then cut off what is left.

        Args:
            timeout: seconds until connections are cut off.

        Returns:
            The number of connections that were cut off.
        """
        self.context.draining = True
        for server in self._servers:
            server.close()
        now = monotonic()
        idle = min(self.context.timeouts.keepalive_timeout, timeout * IDLE_AT_DRAIN)
        for client in self.context.connections:
            client.drain(now, idle)
        # A response in progress may have announced a persistent connection.
        self.context.timeouts = replace(self.context.timeouts, keepalive_timeout=idle)
        # The newest connections are not listed yet, and TLS connections only after their handshake.
        listed = now + (HANDSHAKE if self.context.certificates else 0.0)
        while True:
            await asyncio.sleep(PERIOD / 5)
            done = not self.context.connections and (self._closed or monotonic() > listed)
            if done or monotonic() > now + timeout:
                return self.close()

    def close(self) -> int:
        """Cut off every connection now; return their number. A drain ends without waiting for handshakes."""
        self._closed = True
        for server in self._servers:
            server.close()
        self.sweep.stop()
        self.context.batch.run()
        cut = list(self.context.connections)
        for client in cut:  # Mark all first: else a freed backend would serve another waiter.
            client.cut_all()
        for client in cut:
            client.abort()
        for service in self.context.services.values():
            for backend in service.pool.backends.values():
                close_idle(backend)
        return len(cut)

    def _client(self, named: ConnectionAddresses | None = None, *, believed: bool = True) -> Downstream:
        switch = self._http2 if self.context.http2.http2 else None
        return Downstream(self.context, self._choose_handler, named, believed=believed, switch=switch)

    def _http2(self, named: ConnectionAddresses | None = None, *, believed: bool = True) -> H2Connection:
        return H2Connection(self.context, self._choose_handler, named, believed=believed)

    def _negotiated(self) -> Negotiation:
        return Negotiation({"h2": self._http2}, self._client)

    def _preamble(self) -> Preamble:
        return Preamble(
            self._client,
            self.context.client_rules.trusted.__contains__,
            self.context.timeouts.head_timeout,
            self.context.rejected,
        )

    def _update_date(self, _: float) -> None:
        self.context.date = formatdate(usegmt=True).encode()

    def _expire_clients(self, now: float) -> None:
        """Move the deadlines of clients with progress, and wake each client whose deadline has passed."""
        # While this process was stalled, it did not read what clients sent. That time does not count.
        last_read = min(now, self.sweep.due)
        late: list[Expiring] = []
        for client in chain(self.context.connections, self.context.streams):
            if client.progressed:
                client.moved(now)
            if client.deadline < last_read:
                late.append(client)
        for client in late:
            client.expired = True
            client.wake()

    def _tick_sessions(self, now: float) -> None:
        for session in tuple(self.context.sessions):
            session.tick(now)

    def _wake_flushing(self, _: float) -> None:
        for client in tuple(self.context.flushing):
            client.wake()

    def _maintain_pools(self, now: float) -> None:
        """Update the state of ejected backends, and close backend connections past their idle timeout."""
        for service in self.context.services.values():
            service.pool.tick(now)
            before = now - service.timeouts.upstream_keepalive
            for backend in service.pool.backends.values():
                if backend.idle or backend.multiplexed is not None:
                    close_idle(backend, before)

    def _refresh_certificates(self, now: float) -> None:
        if self.context.certificates is not None and now > self._look_at_certificates:
            self._look_at_certificates = now + CERTIFICATES
            self.context.certificates.refresh()


def _keep_little_unsent(listening: socket.socket) -> None:
    """Set `UNSENT` on a listener; accepted connections inherit it."""
    if listening.family != socket.AF_UNIX:
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)
