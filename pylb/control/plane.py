"""The control plane of pylb: pipelines, routes, the states that workers have, and the connections to workers.

It continues from the state of the control process before this one. It knows nothing of signals, of the
supervisor and of the admin endpoint: those belong to `process`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from pylb.assembly.routes import catalog_rules, declarations
from pylb.config import Options
from pylb.control.aggregate import Aggregate
from pylb.control.catalog import CatalogServices
from pylb.control.control import Control
from pylb.control.route_sources import RouteSources
from pylb.control.routing import Routing
from pylb.control.services import LiveServices
from pylb.control.takeover import take_over
from pylb.ipc.control_server import ControlServer
from pylb.ipc.state_file import State
from pylb.model import PoolState, Snapshot
from pylb.observe.counters import Counters
from pylb.routes.declaration import Declarations, ServiceDeclaration
from pylb.runtime.lifecycle import TaskScope, spawn
from pylb.runtime.logs import set_log_level

UNROUTED = ""
"""The service of requests that match no route."""

FIXED = 0
"""The rank of the routes of `--service`; see `ServiceDeclaration.order`."""


class ControlPlane:
    """Follows registry and routes, and sends what follows from them to the workers.

    Args:
        options: the options of pylb.
        counters: assigns the slots of the counters.
        control_server: the connections to the workers.
        state: the state of the control process before this one; None for none.
        predecessor: the descriptors of the state file of the pylb that this one replaces, if any.
        changed: called after each change that the next control process has to know.
    """

    def __init__(
        self,
        options: Options,
        counters: Counters,
        control_server: ControlServer,
        state: State | None,
        *,
        predecessor: Sequence[int],
        changed: Callable[[], object],
    ) -> None:
        self._changed = changed
        self.control_server = control_server
        self.catalog: CatalogServices | None = None
        self.aggregate = Aggregate(self._options_of, counters)
        self.control = Control(
            options,
            [],
            self._deliver,
            counters,
            state.control if state else None,
            options_of=self._options_of,
            first_result=self._publish_routes,
            is_routed=self._is_routed,
            state_of=self.aggregate.state_of,
            set_log_level_everywhere=self._set_log_level_everywhere,
        )
        take_over(self.control, predecessor)
        self.services = LiveServices(
            self.control, self.aggregate, control_server, self._is_listed, self._changed
        )
        published = self._published(state)
        self.routing = Routing(options, self.services, published)
        self.routing.replace(FIXED, Declarations(declarations(options)))
        if options.catalog and (names := self.control.service_names):
            self.catalog = CatalogServices(names, catalog_rules(options), self.control, self.routing)
        known = published.values() if published else ()
        self.sources = RouteSources(options, self.routing, self.catalog, known)
        self._resume(state)

    def _published(self, state: State | None) -> Mapping[str, ServiceDeclaration] | None:
        """Continue with the routes that were published before; return them."""
        if state is None or state.routing is None:
            return None
        self.control_server.restore_routing(state.routing)
        return {name: each for name, each in state.routing.changed.items() if each}

    def _resume(self, state: State | None) -> None:
        """Continue the pipelines and pools, and send the workers what is known of them."""
        if self.catalog:
            for service in self.control.remembered_services:
                self.control.follow(service)
        for update in state.updates if state else ():
            if update.state and update.service in self.aggregate:
                self.aggregate.apply(update.state)
        for service in self.aggregate.services:
            self.control_server.publish(self.aggregate.update(service))
        if not self.sources.slow:
            self.routing.settle()
        self._set_log_level_everywhere(self.control.log_level)

    def start(self, scope: TaskScope, *, responded: bool) -> None:
        """Follow everything until the scope closes.

        Args:
            scope: holds the tasks.
            responded: see `RouteSources.first_result`.
        """
        self.control.start(scope)
        self.sources.start(scope)
        if self.sources.slow:
            spawn(self._settle_routes(responded=responded), name="settle the routes", scope=scope)

    async def _settle_routes(self, *, responded: bool) -> None:
        """Publish all routes when each source and each of its services has a first result."""
        await self.sources.first_result(responded=responded)
        await self.control.first_result()
        self.routing.settle()

    def _options_of(self, service: str) -> Options:
        return self.routing.options(service)

    def _is_routed(self, snapshot: Snapshot) -> bool:
        """Read the routes that the instances declare; return whether any source declares one with a pool."""
        if self.catalog is not None:
            self.catalog.read(snapshot)
        return snapshot.service in self.aggregate

    def _is_listed(self, service: str) -> bool:
        return self.catalog is not None and self.catalog.is_listed(service)

    def _publish_routes(self) -> None:
        self.routing.publish_soon()

    def _deliver(self, state: PoolState, applied: Callable[[], None]) -> None:
        """Send the state of a pool to all workers, and to those that start later."""
        self.aggregate.apply(state)
        self.control_server.publish(self.aggregate.update(state.service), applied)
        self.routing.publish_soon()
        self._changed()

    def _set_log_level_everywhere(self, level: str) -> None:
        """Set the log level of all processes but the supervisor, which logs little."""
        set_log_level(level)
        self.control_server.publish(replace(self.aggregate.update(UNROUTED), log_level=level))
        self._changed()
