"""A worker: the data plane of one process, without a connection to the control plane."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterable
from functools import partial

from pylb.assembly.pools import make_pool, read_routes, services_of
from pylb.assembly.tls import read_certificates
from pylb.config import Options
from pylb.config.backends import BackendConnections, Retries, Timeouts
from pylb.config.clients import Limits
from pylb.http1.headers import ClientInfo, ForwardedClientInfo
from pylb.http1.trace import Tracing
from pylb.model import PoolState
from pylb.observe.counter_layout import EVENT, EVENTS
from pylb.observe.counters import Counters
from pylb.observe.gauges import CLIENTS, CUT, LINES_DROPPED, PROCESS
from pylb.observe.metrics import Metrics
from pylb.observe.worker_counters import WorkerCounters
from pylb.policy.admission import Connections
from pylb.policy.change import Change
from pylb.policy.networks import Networks
from pylb.policy.pool import Pool
from pylb.proxy.clients import ClientRules
from pylb.proxy.context import Context
from pylb.proxy.handlers.choice import HandlerRules
from pylb.proxy.proxyprotocol import PREAMBLES
from pylb.proxy.server import Server
from pylb.proxy.upstream.connector import UpstreamRules
from pylb.proxy.upstream.tls import UpstreamTls
from pylb.routes.table import RouteTable
from pylb.runtime.descriptors import admissible
from pylb.sinks.sinks import Sinks

log = logging.getLogger("pylb")


class Worker:
    """Serves clients by the last snapshot of each pool.

    Args:
        options: the options of pylb.
        counters: the counters of requests.
        sinks: the other observers of requests.
        pool: the class of its pools.
        processes: the number of workers that share the limits.
        ticket_keys: the keys for TLS session tickets, which all workers share.
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
    ) -> None:
        routes = read_routes(options)
        self.counters = counters
        self._certificates = read_certificates(options, ticket_keys)
        self.pools = {
            service: make_pool(pool, service, options, processes) for service in services_of(routes)
        }
        context = Context(
            RouteTable(routes, self.pools),
            self.pools,
            timeouts=Timeouts.of(options),
            limits=Limits.of(options),
            retries=Retries.of(options),
            clients=ClientRules(
                trusted=Networks(options.trusted_proxies),
                admission=Connections(admissible(options.max_connections), options.max_client_connections),
                hsts=options.hsts,
                client_info=partial(
                    ForwardedClientInfo if options.forwarded else ClientInfo, via=options.via
                ),
                tracing=Tracing(options.trace_sample / 100) if options.traceparent or options.otlp else None,
            ),
            upstreams=UpstreamRules(
                tls=UpstreamTls(BackendConnections.of(options)),
                preamble=PREAMBLES.get(options.upstream_proxy_protocol),
            ),
            observe=sinks.beside(Metrics(counters).count),
        )
        handlers = HandlerRules(options.redirect_to_tls, Networks(options.explain_to))
        self.server = Server(context, handlers, proxy_protocol=options.proxy_protocol)
        self._sinks = sinks
        self._published: dict[tuple[str, int], int] = {}
        """The counts at the last publication, by service and index of the counter."""

    async def listen(self, plain: Iterable[socket.socket], tls: Iterable[socket.socket] = ()) -> None:
        """Accept connections on these sockets."""
        for listening in plain:
            await self.server.listen(listening)
        if self._certificates:
            for listening in tls:
                await self.server.listen_tls(listening, self._certificates)

    def apply(self, state: PoolState) -> Change:
        """Apply the state of a pool; attach and detach the counters of its backends."""
        change = self.server.apply(state)
        for backend in change.removed:
            self.counters.detach(backend)
        for backend in change.added:
            self.counters.attach(backend)
        return change

    def publish(self) -> None:
        """Publish the gauges and counters of the worker as a whole to the shared memory."""
        shared = self.counters.shared
        shared.gauge(PROCESS, CLIENTS)[shared.row] = len(self.server.context.connections)
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
