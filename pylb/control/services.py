"""What follows from a change of the declarations: pools that begin and end, and routes for the workers.

Rule: a pool exists before workers receive the first route to it, and until they have lost the last one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from pylb.control.aggregate import Aggregate
from pylb.control.control import Control
from pylb.discovery.abbreviation import abbreviated
from pylb.discovery.status import DiscoveryStatus
from pylb.ipc.control_server import ControlServer
from pylb.routes.declaration import ServiceDeclaration


class LiveServices:
    """Implements `routing.Services`.

    Args:
        control: runs the pipelines.
        aggregate: shows the pools.
        control_server: the connections to the workers.
        is_listed: whether the catalog lists a service, which is then followed even without a route.
        published: called after routes were sent to the workers.
    """

    def __init__(
        self,
        control: Control,
        aggregate: Aggregate,
        control_server: ControlServer,
        is_listed: Callable[[str], bool],
        published: Callable[[], object],
    ) -> None:
        self.statuses: dict[str, DiscoveryStatus] = {}
        """The contact to the registry, of each service with a pool."""
        self._control = control
        self._aggregate = aggregate
        self._control_server = control_server
        self._is_listed = is_listed
        self._published = published
        self._backends: dict[str, str] = {}

    def add(self, declaration: ServiceDeclaration) -> None:
        """See `routing.Services`."""
        if not declaration.needs_pool:
            return
        service = declaration.service
        self._backends[service] = declaration.backends
        self._aggregate.add(service)
        self._control.follow(service, declaration.backends)
        self.statuses[service] = self._control.pipelines[service].status
        asyncio.get_running_loop().call_soon(self._deliver, service)

    def change(self, declaration: ServiceDeclaration) -> None:
        """See `routing.Services`."""
        service = declaration.service
        if not declaration.needs_pool:
            self.remove(service)
        elif service not in self.statuses:
            self.add(declaration)
        elif self._backends[service] != declaration.backends:
            self._backends[service] = declaration.backends
            self._control.unfollow(service)
            self._control.follow(service, declaration.backends)
            self.statuses[service] = self._control.pipelines[service].status
        else:  # The pipeline may be about to deliver the snapshot that has declared the settings.
            cause = "routes: the settings have changed"
            asyncio.get_running_loop().call_soon(self._deliver_again, service, cause)

    def remove(self, service: str) -> None:
        """See `routing.Services`."""
        if self.statuses.pop(service, None) is not None:
            del self._backends[service]
            self._aggregate.remove(service)
            self._control.recorder.forget(service)
            if self._is_listed(service):
                self._control.stop_probes(service)
            else:
                self._control.unfollow(service)

    def has_state(self, service: str) -> bool:
        """See `routing.Services`."""
        if service not in self.statuses or self._aggregate.applied(service) is not None:
            return True
        return self._control.pipelines[service].first_result.is_set()

    def publish(self, changed: Mapping[str, ServiceDeclaration | None]) -> None:
        """See `routing.Services`."""
        for service in changed:
            if service in self.statuses and service not in self._control_server.updates:
                self._control_server.publish(self._aggregate.update(service))
        generation = self._control_server.routing_generation + 1
        applied = self._control.recorder.record_routes(generation, _cause(changed))
        self._control_server.publish_routing(changed, applied)
        self._published()

    def _deliver(self, service: str) -> None:
        """Deliver the snapshot of a service that was followed before it had a route."""
        if service in self.statuses and self._aggregate.applied(service) is None:
            self._control.pipelines[service].on_change("routes: the service has a route now")

    def _deliver_again(self, service: str, cause: str) -> None:
        """Deliver the snapshot of a service with other settings."""
        if service in self.statuses:
            self._control.pipelines[service].on_change(cause)


def _cause(changed: Mapping[str, ServiceDeclaration | None]) -> str:
    removed = [service for service, declaration in changed.items() if declaration is None]
    others = [service for service, declaration in changed.items() if declaration is not None]
    parts = [
        f"{abbreviated(names)} {word}"
        for names, word in ((others, "declared"), (removed, "removed"))
        if names
    ]
    return f"routes: {', '.join(parts) or 'none'}"
