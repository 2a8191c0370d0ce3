"""A worker: the data plane with what it needs of the rest, and nothing that can make it wait."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from time import monotonic
from typing import Any

from pylb.config import Options
from pylb.errors import UsageError
from pylb.http1.headers import ForwardedOrigin, Origin
from pylb.http1.limits import Limits
from pylb.model import Snapshot
from pylb.observe.counters import Counters
from pylb.observe.metrics import Metrics
from pylb.observe.record import Record
from pylb.policy.admission import Connections
from pylb.policy.backend import Backend, State
from pylb.policy.budget import BudgetRules
from pylb.policy.health import HealthRules
from pylb.policy.networks import Networks
from pylb.policy.pool import Change, Pool
from pylb.policy.queue import QueueRules
from pylb.policy.retry import SAFE, RetryRules
from pylb.policy.route import Route, Routes, parse_route
from pylb.proxy.dataplane import DataPlane, Timeouts
from pylb.proxy.tls import Certificates
from pylb.proxy.upstreamtls import UpstreamTls

log = logging.getLogger("pylb.health")


def read_routes(options: Options) -> tuple[Route, ...]:
    """The routes that `--service` declares; without any, `--static` is one service that takes all requests.

    Raises:
        UsageError: one cannot be read, or two are for the same requests.
    """
    try:
        routes = tuple(parse_route(text) for text in options.service or ("static",))
        Routes(routes, {route.service: Pool(route.service) for route in routes})
    except ValueError as error:
        raise UsageError(f"--service: {error}") from None
    return routes


class Worker:
    """Serves clients from the snapshots it is given; with the last one for as long as no newer one comes.

    Args:
        options: what the user wants.
        counters: where requests are counted.
        log_access: takes each record, if there is to be an access log.
    """

    def __init__(
        self, options: Options, counters: Counters, log_access: Callable[[Record], None] | None = None
    ) -> None:
        routes = read_routes(options)
        self.counters = counters
        self._certificates = read_certificates(options)
        self._by_tls = {address.path or address.port for address in options.listen_tls}
        self.pools = {route.service: self._pool(route.service, options) for route in routes}
        self.plane = DataPlane(
            Routes(routes, self.pools),
            self.pools,
            timeouts=Timeouts(
                connect=options.connect_timeout,
                response=options.response_timeout,
                body=options.body_timeout,
                head=options.head_timeout,
                keepalive=options.keepalive_timeout,
                upstream_keepalive=options.upstream_keepalive,
                tunnel=options.tunnel_timeout,
                body_rate=options.min_body_rate,
            ),
            retry=RetryRules(
                retries=options.retries,
                on=options.retry_on,
                methods=SAFE | {method.encode() for method in options.retry_methods},
                keyed=options.retry_keyed,
            ),
            limits=Limits(
                head=options.max_head,
                target=options.max_target,
                fields=options.max_headers,
                body=options.max_body or float("inf"),
            ),
            admission=Connections(options.max_connections, options.max_client_connections),
            requests=options.max_requests,
            rate=options.max_client_rate,
            redirect_port=options.redirect_to_tls,
            hsts=options.hsts,
            upstream_tls=read_upstream_tls(options),
            trusted=Networks(options.trusted_proxies),
            proxy_protocol=options.proxy_protocol,
            origin=ForwardedOrigin if options.forwarded else Origin,
            observe=observer(Metrics(counters).count, log_access),
        )

    @staticmethod
    def _pool(service: str, options: Options) -> Pool:
        return Pool(
            service,
            policy=options.policy,
            budget=BudgetRules(share=options.retry_budget / 100),
            health=HealthRules(
                suspect=options.suspect_time,
                failures=options.eject_failures,
                ejected=options.eject_time,
                share=options.eject_most / 100,
                panic=options.panic_threshold / 100,
                panic_fails=options.panic == "fail",
            ),
            slow_start=options.slow_start,
            queue=QueueRules(most=options.max_conn, length=options.max_queue, patience=options.queue_timeout),
            clock=monotonic,
            notice=tell,
        )

    async def listen(self, sockets: list[socket.socket]) -> None:
        """Serve the clients that connect to these."""
        for listening in sockets:
            if self._certificates and _name(listening) in self._by_tls:
                await self.plane.listen_tls(listening, self._certificates)
            else:
                await self.plane.listen(listening)

    def apply(self, snapshot: Snapshot) -> Change:
        """Swap a pool; the counters of its backends come and go with them."""
        change = self.plane.apply(snapshot)
        for backend in change.removed:
            self.counters.detach(backend)
        for backend in change.added:
            self.counters.attach(backend)
        return change

    async def drain(self, timeout: float) -> int:
        """Finish what runs, for at most so many seconds; return how many connections had to be cut off."""
        return await self.plane.drain(timeout)


def tell(backend: Backend) -> None:
    """Log where a backend stands now, by what traffic says of it."""
    service = backend.endpoint.service
    if backend.state is State.UP:
        log.info("%s: %s takes requests again", service, backend.name)
    else:
        seconds = backend.health.until - backend.health.since
        log.warning("%s: %s is %s for %.3g s", service, backend.name, backend.state.value, seconds)


def read_certificates(options: Options) -> Certificates | None:
    """The certificates that the options name; None where there is no TLS.

    Raises:
        StartError: one cannot be used.
    """
    if not options.listen_tls:
        return None
    return Certificates(
        tuple(zip(options.tls_cert, options.tls_key, strict=True)),
        options.tls_dir,
        client_ca=options.tls_client_ca,
        client_required=options.tls_client_required,
    )


def read_upstream_tls(options: Options) -> UpstreamTls:
    """How backends are reached that speak TLS.

    Raises:
        StartError: a file cannot be used.
    """
    cert, key = options.upstream_tls_cert, options.upstream_tls_key
    return UpstreamTls(
        everywhere=options.upstream_tls,
        ca=options.upstream_tls_ca,
        verify=options.upstream_tls_verify,
        name=options.upstream_tls_name or "",
        pair=(cert, key) if cert and key else None,
    )


def _name(listening: socket.socket) -> str | int:
    """What tells one listener of this process from another: a port, or a path."""
    name: Any = listening.getsockname()
    return name if isinstance(name, str) else int(name[1])


def observer(
    count: Callable[[Record], None], log_access: Callable[[Record], None] | None
) -> Callable[[Record], None]:
    """Count each record and, if there is an access log, write it there."""
    if log_access is None:
        return count

    def observe(record: Record) -> None:
        count(record)
        log_access(record)

    return observe
