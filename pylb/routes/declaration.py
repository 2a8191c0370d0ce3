"""What a source of routes declares: services, each with its routes and settings. Frozen values.

Sources of routes make them, control merges them, and workers compile them. A source yields all of its
declarations at once, so that a declaration that it no longer yields is removed.
"""

from __future__ import annotations

from dataclasses import dataclass

from pylb.routes.route import Problem, Route

Setting = tuple[str, str]
"""The name of an option, with hyphens, and its value as a user types it."""


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

    @property
    def needs_pool(self) -> bool:
        """Whether any of its routes needs a backend."""
        return any(route.has_pool for route in self.routes)


@dataclass(frozen=True, slots=True)
class Declarations:
    """All declarations of a source, and what it excluded."""

    services: tuple[ServiceDeclaration, ...] = ()
    problems: tuple[Problem, ...] = ()
