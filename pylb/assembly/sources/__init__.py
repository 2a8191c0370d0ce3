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

Names = Callable[[], AsyncGenerator[frozenset[str], None]]


class Source(Protocol):
    """A registry, and what all of its providers share."""

    run: Callable[[], Coroutine[Any, Any, object]] | None
    """Maintains what the providers share, as long as they run; None if they share nothing."""
    names: Names | None
    """Yields the names of all services after each change; None if the source has no catalog."""

    zone: Callable[[], Coroutine[Any, Any, str]] | None
    """Returns the zone of this machine, empty if it has none; None if the source knows no zones."""

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
