"""A worker: the data plane of one process, without a connection to the control plane.

A service gets its pool when it is declared, and the state of its pool may arrive before that.
"""

from __future__ import annotations

import logging
import os
import socket
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from hashlib import blake2b

from pylb.assembly.pools import make_pool
from pylb.assembly.routes import declarations
from pylb.assembly.tls import read_certificates
from pylb.config import Options
from pylb.config.backends import BackendConnections, Timeouts
from pylb.config.clients import Http2, Limits
from pylb.http1.headers import ClientInfo, ForwardedClientInfo
from pylb.http1.trace import Tracing
from pylb.ipc.routing_update import RoutingUpdate
from pylb.model import PoolState
from pylb.observe.counter_layout import EVENT, EVENTS
from pylb.observe.counters import Counters
from pylb.observe.gauges import CLIENTS, CUT, HTTP2_CLIENTS, HTTP2_STREAMS, LINES_DROPPED, PROCESS
from pylb.observe.metrics import Metrics
from pylb.observe.worker_counters import WorkerCounters
from pylb.policy.admission import Connections
from pylb.policy.backend import Backend
from pylb.policy.change import Change
from pylb.policy.networks import Networks
from pylb.policy.pool import Pool
from pylb.proxy.clients import ClientRules
from pylb.proxy.context import Context
from pylb.proxy.handlers.choice import HandlerRules
from pylb.proxy.server import Server
from pylb.proxy.service import Service
from pylb.proxy.upstream.tls import UpstreamTls
from pylb.routes.declaration import ServiceDeclaration
from pylb.routes.table import RouteTable
from pylb.runtime.descriptors import admissible
from pylb.sinks.sinks import Sinks
from pylb.worker.services import Services
from pylb.worker.steps import run_in_steps

log = logging.getLogger("pylb")


class Worker:
    """Serves clients by the last state of the routes and of each pool.

    Args:
        options: the options of pylb.
        counters: the counters of requests.
        sinks: the other observers of requests.
        pool: the class of its pools.
        processes: the number of workers that share the limits.
        ticket_keys: the keys for TLS session tickets, which all workers share.
        on_state_change: called when a backend changes state; by default, the change is logged.
    """

    def __init__(
        self,
        options: Options,
        counters: Counters | WorkerCounters,
        sinks: Sinks,
        *,
        pool: type[Pool] = Pool,
        processes: int = 1,
        ticket_keys: bytes = b"",
        on_state_change: Callable[[Backend], None] | None = None,
    ) -> None:
        self.counters = counters
        self._certificates = read_certificates(options, ticket_keys)
        context = Context(
            timeouts=Timeouts.of(options),
            limits=Limits.of(options),
            http2=Http2.of(options),
            clients=ClientRules(
                trusted=Networks(options.trusted_proxies),
                admission=Connections(admissible(options.max_connections), options.max_client_connections),
                hsts=options.hsts,
                client_info=partial(
                    ForwardedClientInfo if options.forwarded else ClientInfo, via=options.via
                ),
                tracing=Tracing(options.trace_sample / 100) if options.traceparent or options.otlp else None,
            ),
            observe=sinks.beside(Metrics(counters).count),
        )
        handlers = HandlerRules(options.redirect_to_tls, Networks(options.explain_to))
        self.server = Server(context, handlers, proxy_protocol=options.proxy_protocol)
        self._sinks = sinks
        self._published: dict[tuple[str, int], int] = {}
        """The counts at the last publication, by service and index of the counter."""
        self.declarations: dict[str, ServiceDeclaration] = {}
        """The declaration of each service."""
        self._served: dict[str, ServiceDeclaration] = {}
        """The declarations in the table."""
        self._early: dict[str, PoolState] = {}
        """States of pools that are not declared yet."""

        secret = blake2b(ticket_keys or os.urandom(64), person=b"sticky sessions").digest()

        def new_pool(service: str, options: Options) -> Pool:
            return make_pool(
                pool,
                service,
                options,
                processes,
                on_state_change=on_state_change,
                run=run_in_steps,
                secret=secret,
            )

        self._services = Services(options, context, new_pool, secret)
        self.pools = self._services.pools
        """The pool of each service."""
        UpstreamTls(BackendConnections.of(options)).check_files()
        context.routes = RouteTable((), self._services.of)
        own = {each.service: each for each in declarations(options)}
        self.apply_routing(RoutingUpdate(0, own))

    @property
    def has_routes(self) -> bool:
        """Whether control has sent the routes, even if there are none."""
        return self.server.context.routes.generation > 0

    async def listen(self, plain: Iterable[socket.socket], tls: Iterable[socket.socket] = ()) -> None:
        """Accept connections on these sockets."""
        for listening in plain:
            await self.server.listen(listening)
        if self._certificates:
            for listening in tls:
                await self.server.listen_tls(listening, self._certificates)

    def apply_routing(self, update: RoutingUpdate) -> dict[str, Change]:
        """Apply a change of the routes without a pause; see `applying`."""
        changes: dict[str, Change] = {}

        def steps() -> Iterator[None]:
            changes.update((yield from self.applying(update)))

        deque(steps(), maxlen=0)
        return changes

    def applying(self, update: RoutingUpdate) -> Generator[None, None, dict[str, Change]]:
        """Apply a change of the routes in short steps; all of it takes effect with the last one.

        New services are made before that, but no route leads to them yet.

        Returns:
            How the pools of new services changed.
        """
        self._services.rollback()  # Of an update that was interrupted.
        changed = dict(update.changed)
        if update.complete:
            named = changed.keys() | {*update.unchanged}
            changed |= dict.fromkeys((self.declarations.keys() | self.pools.keys()) - named)
        known = self.declarations.get
        interrupted = self.pools.keys() - self.declarations.keys()
        changed = {name: each for name, each in changed.items() if each != known(name) or name in interrupted}
        served: dict[str, ServiceDeclaration] = {}
        changes: dict[str, Change] = {}
        for name, declaration in changed.items():
            if declaration is not None:
                served[name] = self._declare(declaration)
                if name in self.pools and name in self._early:
                    changes[name] = self.apply(self._early.pop(name))
                yield
        removed = [self._served[name] for name in changed if name in self._served]
        table, steps = self.server.context.routes.changing(removed, served.values(), update.generation)
        yield from steps
        self._switch(table, changed, served)
        return changes

    def _switch(
        self,
        table: RouteTable[Service],
        changed: dict[str, ServiceDeclaration | None],
        served: Mapping[str, ServiceDeclaration],
    ) -> None:
        """Let a new table, and everything that belongs to it, take effect."""
        self._services.commit()
        self.server.context.routes = table
        for name in changed:
            self._served.pop(name, None)
        self._served |= served
        self.declarations = {name: each for name, each in (self.declarations | changed).items() if each}
        for name in changed:
            if name not in served or not served[name].needs_pool:
                self._remove_pool(name)
            if name not in served:
                self.counters.forget(name)
                self._sinks.forget(name)

    def _declare(self, declaration: ServiceDeclaration) -> ServiceDeclaration:
        """Make what a service needs; return its declaration as it can be served.

        Control has checked the settings, but a file that one of them names may be gone by now.
        """
        try:
            if declaration.needs_pool:
                self._services.declare(declaration)
        except ValueError as error:
            log.error("%s is not served: %s", declaration.service, error)
            routes = (replace(route, blocked=str(error)) for route in declaration.routes)
            return replace(declaration, routes=tuple(routes))
        return declaration

    def _remove_pool(self, service: str) -> None:
        """Remove the pool of a service, after its routes. Requests in flight finish, and queued ones fail."""
        self._early.pop(service, None)
        if service in self.pools:
            self.apply(PoolState(service, ()))
            self.pools[service].queue.close()
            self._services.remove(service)
            self._published = {key: count for key, count in self._published.items() if key[0] != service}

    def apply(self, state: PoolState) -> Change:
        """Apply the state of a pool; attach and detach the counters of its backends."""
        if state.service not in self.pools:
            self._early[state.service] = state
            return Change()
        change = self.server.apply(state)
        for backend in change.removed:
            self.counters.detach(backend)
        for backend in change.added:
            self.counters.attach(backend)
        return change

    def publish(self) -> None:
        """Publish the gauges and counters of the worker as a whole to the shared memory."""
        shared = self.counters.shared
        context = self.server.context
        shared.gauge(PROCESS, CLIENTS)[shared.row] = len(context.connections)
        shared.gauge(PROCESS, HTTP2_CLIENTS)[shared.row] = len(context.sessions)
        shared.gauge(PROCESS, HTTP2_STREAMS)[shared.row] = len(context.streams)
        own = shared.counters(PROCESS)
        self._grow("", own, LINES_DROPPED, self._sinks.lines_dropped)
        for service, pool in self.pools.items():
            for place, event in enumerate(EVENTS):
                self._grow(service, self.counters.service(service), EVENT + place, pool.events[event])

    def _grow(self, service: str, own: memoryview, index: int, count: int) -> None:
        """Add the difference since the last publication to a counter."""
        own[index] += count - self._published.get((service, index), 0)
        self._published[service, index] = count

    async def drain(self, timeout: float) -> None:
        """Finish requests for at most `timeout` seconds; then close and count the remaining connections."""
        cut = await self.server.drain(timeout)
        self.counters.shared.counters(PROCESS)[CUT] += cut
        if cut:
            log.warning("%d connections were closed: they had not ended in %g s", cut, timeout)
        self.publish()
