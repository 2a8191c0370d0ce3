"""Builds the provider of instances that the options select.

Only that provider is imported. The library of another one may take longer to import than the rest of pylb,
and workers wait at the start for the first response.
"""

from __future__ import annotations

from collections.abc import Callable
from pkgutil import resolve_name

from pylb.config import Options
from pylb.discovery.provider import Provider
from pylb.discovery.status import WatchStatus


def provider(options: Options, service: str, status: WatchStatus) -> Provider:
    """Return the provider of a service's instances.

    Args:
        options: the options of pylb.
        service: the name of the service.
        status: receives the state of the provider.
    """
    source = "static" if options.static is not None else "docker" if options.docker else "consul"
    make: Callable[[Options, str, WatchStatus], Provider] = resolve_name(f"{__name__}.{source}:provider")
    return make(options, service, status)
