"""The services of a worker, made from declarations: their pools, their connectors, and the rules of requests.

Settings are options of one service or route. Each service has options: those of pylb with its settings, so
that everything below reads options and no settings. What does not change keeps its identity: a declared
service whose settings stay the same keeps its pool, its connections and its `Service`.
"""

from __future__ import annotations

from collections.abc import Callable
from weakref import WeakValueDictionary

from pylb.assembly.pools import configure_pool, session_key
from pylb.config import Options
from pylb.config.backends import BackendConnections, Retries, Timeouts
from pylb.config.clients import Limits
from pylb.config.settings import of_pool, with_settings
from pylb.policy.picker import HASH
from pylb.policy.pool import Pool
from pylb.proxy.context import Context
from pylb.proxy.proxyprotocol import PREAMBLES
from pylb.proxy.request_key import key_reader
from pylb.proxy.service import Service
from pylb.proxy.sessions import Sessions
from pylb.proxy.upstream.connector import Connector, UpstreamRules
from pylb.proxy.upstream.idle import retire
from pylb.proxy.upstream.tls import UpstreamTls
from pylb.routes.declaration import ServiceDeclaration, Setting
from pylb.routes.route import Route

Settings = tuple[Setting, ...]


class DeclaredService:
    """A service, and what its routes use.

    Args:
        settings: of the service.
        service: what requests use on routes without settings.
    """

    def __init__(self, settings: Settings, service: Service) -> None:
        self.settings = settings
        self.service = service
        self.by_settings: dict[Settings, Service] = {(): service}
        """What requests use, by the settings of their routes."""


class Services:
    """All services of a worker.

    Args:
        options: of pylb.
        context: what all requests share.
        make_pool: returns an empty pool, given the name and the options of a service.
        secret: the key of sticky sessions, if the options have none.
    """

    def __init__(
        self,
        options: Options,
        context: Context,
        make_pool: Callable[[str, Options], Pool],
        secret: bytes = b"",
    ) -> None:
        self._secret = secret
        self.pools: dict[str, Pool] = {}
        """The pool of each service."""
        self._options = options
        self._context = context
        self._make_pool = make_pool
        self._declared: dict[str, DeclaredService] = {}
        self._changed: dict[str, tuple[DeclaredService, Options]] = {}
        """Services whose new settings do not take effect yet."""
        self._connectors: WeakValueDictionary[tuple[BackendConnections, bool], Connector]
        self._connectors = WeakValueDictionary()

    def declare(self, declaration: ServiceDeclaration) -> None:
        """Make a service; its routes use it as soon as they are declared.

        The new settings of one that exists take effect with `commit`.

        Raises:
            ValueError: a setting cannot be applied; nothing has changed.
        """
        name, settings = declaration.service, _of_service(declaration)
        for route in declaration.routes:
            with_settings(self._options, (*settings, *_of_route(route)))
        declared = self._declared.get(name)
        if declared is not None and declared.settings == settings:
            return
        options = with_settings(self._options, settings)
        connector = self._connector(options)
        if declared is not None:
            service = _service(declared.service.pool, connector, options, self._secret)
            self._changed[name] = DeclaredService(settings, service), options
            return
        service = _service(self._make_pool(name, options), connector, options, self._secret)
        self._declared[name] = DeclaredService(settings, service)
        self._context.services[name] = service
        self.pools[name] = service.pool

    def rollback(self) -> None:
        """Forget changed settings that have not taken effect."""
        self._changed.clear()

    def commit(self) -> None:
        """Let all changed settings take effect."""
        for name, (declared, options) in self._changed.items():
            service = declared.service
            configure_pool(service.pool, options)
            if self._declared[name].service.connector is not service.connector:
                for backend in service.pool.backends.values():
                    retire(backend)
            self._declared[name], self._context.services[name] = declared, service
        self._changed.clear()

    def remove(self, name: str) -> None:
        """Forget a service. Requests in flight keep what they use."""
        del self._declared[name], self._context.services[name], self.pools[name]

    def of(self, route: Route) -> Service:
        """Return what the requests of a route use, with the settings that `commit` lets take effect."""
        changed = self._changed.get(route.service)
        declared = self._declared[route.service] if changed is None else changed[0]
        settings = _of_route(route)
        service = declared.by_settings.get(settings)
        if service is None:
            options = with_settings(self._options, (*declared.settings, *settings))
            service = _service(declared.service.pool, declared.service.connector, options, self._secret)
            declared.by_settings[settings] = service
        return service

    def _connector(self, options: Options) -> Connector:
        """Return the connector for these options, which services share."""
        connections, reusable = BackendConnections.of(options), options.upstream_keepalive > 0
        connector = self._connectors.get((connections, reusable))
        if connector is None:
            preamble = PREAMBLES.get(options.upstream_proxy_protocol)
            rules = UpstreamRules(UpstreamTls(connections), preamble, options.upstream_protocol)
            connector = Connector(rules, self._context.batch, self._context.responses, reusable=reusable)
            self._connectors[connections, reusable] = connector
        return connector


def _of_service(declaration: ServiceDeclaration) -> Settings:
    """The settings of a service, and those of its pool that its routes have.

    Of several for one option, the last takes effect: that of the service, or that of its first route.
    """
    settings = (setting for route in declaration.routes for setting in route.settings)
    of_routes = [setting for setting in settings if of_pool(setting[0])]
    return (*reversed(of_routes), *declaration.settings)


def _of_route(route: Route) -> Settings:
    """The settings of the requests of a route."""
    return tuple(setting for setting in route.settings if not of_pool(setting[0]))


def _service(pool: Pool, connector: Connector, options: Options, secret: bytes) -> Service:
    hash_on = options.hash_on or ("client" if options.policy == HASH else "")
    return Service(
        pool,
        connector,
        Timeouts.of(options),
        Limits.of(options),
        Retries.of(options),
        read_key=key_reader(hash_on) if hash_on else None,
        sticky=_sessions(pool.service, options, secret) if options.sticky else None,
    )


def _sessions(service: str, options: Options, secret: bytes) -> Sessions:
    return Sessions(options.sticky, service, session_key(options, secret), options.sticky_max_age)
