"""Builds the source of instances that the options select.

Only that provider is imported. The library of another one may take longer to import than the rest of pylb,
and workers wait at the start for the first response.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine
from pkgutil import resolve_name
from typing import Any, Protocol

from pylb.config import Options
from pylb.discovery.provider import Provider
from pylb.discovery.status import DiscoveryStatus


class Source(Protocol):
    """A registry, and what all of its providers share."""

    run: Callable[[], Coroutine[Any, Any, object]] | None
    """Maintains what the providers share, as long as they run; None if they share nothing."""

    def provider(self, service: str, status: DiscoveryStatus) -> Provider:
        """Return the provider of a service's instances.

        Args:
            service: the name of the service.
            status: receives the state of the provider.
        """


def source(options: Options) -> Source:
    """Return the source that the options select."""
    name = "static" if options.static is not None else "docker" if options.docker else "consul"
    make: Callable[[Options], Source] = resolve_name(f"{__name__}.{name}:Source")
    return make(options)


def service_names(options: Options) -> Callable[[], AsyncGenerator[frozenset[str], None]]:
    """Return a function that yields the names of all services of the registry after each change."""
    name = "docker" if options.docker else "consul"
    names: Callable[[Options], Callable[[], AsyncGenerator[frozenset[str], None]]]
    names = resolve_name(f"{__name__}.{name}:names")
    return names(options)
