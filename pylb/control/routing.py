"""The declarations in force: those of all sources merged, and published as a whole when they change.

A service may be declared by several sources: it has the routes of all of them, and of a setting that several
of them give, the value of the first source. Sources are ordered by rank; see `ServiceDeclaration.order`.

Rules: a change of one service does no work for the others. Several changes in one iteration of the event loop
are published together. A new service is published after its pool has a first state, so that its routes never
lead to an empty pool. Nothing here performs I/O.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any, Protocol

from pylb.config import Options
from pylb.config.settings import with_settings
from pylb.control.lazy_table import LazyTable
from pylb.routes.declaration import Declarations, ServiceDeclaration, Setting
from pylb.routes.merge import merge
from pylb.routes.route import Problem
from pylb.routes.table import RouteTable

NOTHING = Declarations()


class Services(Protocol):
    """What follows from the declarations: pools that exist, and routes that workers have."""

    def add(self, declaration: ServiceDeclaration) -> None:
        """Begin to keep the pool of a service."""

    def change(self, declaration: ServiceDeclaration) -> None:
        """Apply changed settings or fixed backends of a service, or that it needs a pool or none any more."""

    def remove(self, service: str) -> None:
        """End the pool of a service, whose routes are removed."""

    def has_state(self, service: str) -> bool:
        """Whether the pool of a service has a state, or the registry has failed to give one in time."""

    def publish(self, changed: Mapping[str, ServiceDeclaration | None]) -> None:
        """Send changed declarations to the workers; None removes a service."""


class Routing:
    """Merges the declarations of all sources.

    Args:
        options: the options of pylb, on which the settings of services are laid.
        services: what follows from the declarations.
        published: what the control process before this one had published. It stays in force until `settle`.
    """

    def __init__(
        self,
        options: Options,
        services: Services,
        published: Mapping[str, ServiceDeclaration] | None = None,
    ) -> None:
        self.declarations: dict[str, ServiceDeclaration] = {}
        """The merged declaration of each service."""
        self._options = options
        self._services = services
        self._sources: dict[int, dict[str, ServiceDeclaration]] = {}
        """By rank and service."""
        self._source_problems: dict[object, tuple[Problem, ...]] = {}
        """By rank, or by rank and service of a source that changes service by service."""
        self._setting_problems: dict[str, tuple[Problem, ...]] = {}
        self._published: dict[str, ServiceDeclaration] = dict(published or {})
        self._changed: dict[str, None] = {}
        self._scheduled: asyncio.Handle | None = None
        self._lazy_table = LazyTable(self.declarations)

    @property
    def table(self) -> RouteTable[Any]:
        """The routes in force, for explanations. What has changed is compiled when the table is next read."""
        return self._lazy_table.table

    async def compile(self) -> None:
        """Compile what has changed, in slices; see `LazyTable.compile`."""
        await self._lazy_table.compile()

    @property
    def problems(self) -> list[Problem]:
        """What is wrong with the declarations of all sources, beside the problems of the table."""
        found = chain(self._source_problems.values(), self._setting_problems.values())
        return [*chain.from_iterable(found)]

    def options(self, service: str) -> Options:
        """Return the options of a service: those of pylb with its settings."""
        declaration = self.declarations.get(service)
        return with_settings(self._options, declaration.settings) if declaration else self._options

    def replace(self, rank: int, declared: Declarations) -> None:
        """Replace all declarations of a source.

        Args:
            rank: of the source.
            declared: everything that it declares.
        """
        new = {each.service: each for each in declared.services}
        self._source_problems[rank] = declared.problems
        for service in dict.fromkeys((*self._sources.get(rank, ()), *new)):
            self._put(rank, service, new.get(service))

    def declare(
        self,
        rank: int,
        service: str,
        declaration: ServiceDeclaration | None,
        problems: Iterable[Problem] = (),
    ) -> None:
        """Replace the declaration of one service in a source that changes service by service.

        Args:
            rank: of the source.
            service: the name of the service.
            declaration: None if it declares nothing.
            problems: what is wrong with it.
        """
        found = tuple(problems)
        if found:
            self._source_problems[rank, service] = found
        else:
            self._source_problems.pop((rank, service), None)
        self._put(rank, service, declaration)

    def set_problems(self, rank: int, problems: Iterable[Problem]) -> None:
        """Replace the problems of a source as a whole, which concern no declaration."""
        self._source_problems[rank] = tuple(problems)

    def settle(self) -> None:
        """Publish everything: each source has declared what it has, or has failed to do so in time."""
        self._changed |= dict.fromkeys((*self.declarations, *self._published))
        self.publish(complete=True)
        if not self._published:  # Workers must learn that there are no routes.
            self._services.publish({})

    def publish_soon(self) -> None:
        """Publish what has changed, in the next iteration of the event loop."""
        if self._scheduled is None:
            self._scheduled = asyncio.get_running_loop().call_soon(self.publish)

    def publish(self, *, complete: bool = False) -> None:
        """Publish what has changed.

        Args:
            complete: also publish new services whose pools have no state yet; the first workers wait for it.
        """
        if self._scheduled is not None:
            self._scheduled.cancel()
            self._scheduled = None
        changed: dict[str, ServiceDeclaration | None] = {}
        for service in self._changed:
            declaration = self.declarations.get(service)
            if declaration is None:
                if self._published.pop(service, None) is not None:
                    changed[service] = None
            elif self._published.get(service) != declaration and (
                complete or service in self._published or self._services.has_state(service)
            ):
                changed[service] = self._published[service] = declaration
        self._changed = {
            service: None
            for service in self._changed
            if self.declarations.get(service) != self._published.get(service)
        }
        if changed:
            self._services.publish(changed)
            for service in [service for service, declaration in changed.items() if declaration is None]:
                self._services.remove(service)

    def _put(self, rank: int, service: str, declaration: ServiceDeclaration | None) -> None:
        declared = self._sources.setdefault(rank, {})
        if declared.get(service) == declaration:
            return
        if declaration is None:
            del declared[service]
        else:
            declared[service] = declaration
        self._merge(service)

    def _merge(self, service: str) -> None:
        """Merge the declarations of one service."""
        before = self.declarations.get(service)
        parts = [
            self._sources[rank][service] for rank in sorted(self._sources) if service in self._sources[rank]
        ]
        if not parts:
            del self.declarations[service]
            self._setting_problems.pop(service, None)
        else:
            merged, problems = merge(parts, self._check)
            self.declarations[service], self._setting_problems[service] = merged, problems
            if before is None:
                self._services.add(merged)
            elif _of_pool(before) != _of_pool(merged):
                self._services.change(merged)
        self._lazy_table.on_change(service, before)
        self._changed[service] = None
        self.publish_soon()

    def _check(self, settings: tuple[Setting, ...]) -> None:
        with_settings(self._options, settings)


def _of_pool(declaration: ServiceDeclaration) -> tuple[object, ...]:
    """Return what a service's pool depends on."""
    return declaration.settings, declaration.backends, declaration.needs_pool
