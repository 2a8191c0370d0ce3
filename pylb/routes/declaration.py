"""What a source of routes declares: services, each with its routes and settings. Frozen values.

Sources of routes make them, control merges them, and workers compile them. A source yields all of its
declarations at once, so that a declaration that it no longer yields is removed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pylb.routes.route import Problem, Route

Setting = tuple[str, str]
"""The name of an option, with hyphens, and its value as a user types it."""


Age = tuple[tuple[int, int], str, int]
"""The order of the declaration, the name of the service, and the place among its routes. Unique."""


@dataclass(frozen=True, slots=True)
class ServiceDeclaration:
    """One service: its routes, its settings, and where its backends come from."""

    service: str
    routes: tuple[Route, ...]
    settings: tuple[Setting, ...] = ()
    """The settings of the service; those of requests are defaults for its routes."""
    backends: str = ""
    """Fixed backends, as `--static` has them; empty for those of the registry."""
    order: tuple[int, int] = (0, 0)
    """The rank of the source, and the age of the declaration in it. Of two routes for the same requests, the
    one with the smaller order is served; of equal ones, that of the first service by name."""
    origins: tuple[str, ...] = ()
    """Where each of the settings is declared: `routes.toml, line 3`. Empty if it is where the routes are."""

    @property
    def needs_pool(self) -> bool:
        """Whether any of its routes needs a backend."""
        return any(route.has_pool for route in self.routes)

    def with_origins(self) -> Iterator[tuple[Setting, str]]:
        """Yield the settings of the service, and where each is declared."""
        source = self.routes[0].source if self.routes else ""
        return zip(self.settings, self.origins or [source] * len(self.settings), strict=True)

    def aged(self) -> Iterator[tuple[Age, Route]]:
        """Yield the routes with the age of each."""
        for place, route in enumerate(self.routes):
            yield (self.order, self.service, place), route


@dataclass(frozen=True, slots=True)
class Declarations:
    """All declarations of a source, and what it excluded."""

    services: tuple[ServiceDeclaration, ...] = ()
    problems: tuple[Problem, ...] = ()


def declare(routes: Iterable[Route]) -> tuple[ServiceDeclaration, ...]:
    """Return the declarations of routes that are listed one by one, the oldest first."""
    by_service: dict[str, list[Route]] = {}
    for route in routes:
        by_service.setdefault(route.service, []).append(route)
    return tuple(
        ServiceDeclaration(service, tuple(own), order=(0, place))
        for place, (service, own) in enumerate(by_service.items())
    )
