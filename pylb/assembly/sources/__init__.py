"""Where instances are found: the provider that the options ask for.

Only that one is imported. The library behind another may take longer to load than all of pylb, and at the
start workers wait for what the first answer says.
"""

from __future__ import annotations

from collections.abc import Callable
from pkgutil import resolve_name

from pylb.config import Options
from pylb.discovery.provider import Provider
from pylb.discovery.status import WatchStatus


def provider(options: Options, service: str, status: WatchStatus) -> Provider:
    """What finds the instances of a service.

    Args:
        options: say where.
        service: its name.
        status: what the provider writes about itself.
    """
    source = "static" if options.static is not None else "docker" if options.docker else "consul"
    make: Callable[[Options, str, WatchStatus], Provider] = resolve_name(f"{__name__}.{source}:provider")
    return make(options, service, status)
