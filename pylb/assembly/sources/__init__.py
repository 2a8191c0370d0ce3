"""Where instances are found: the source that the options ask for.

Only that one is imported. The library behind another may take longer to load than all of pylb, and at the
start workers wait for what the first answer says.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pkgutil import resolve_name
from typing import Any, Protocol

from pylb.config import Options
from pylb.discovery.provider import Provider
from pylb.discovery.status import WatchStatus


class Source(Protocol):
    """A registry, and what all of its providers share."""

    run: Callable[[], Coroutine[Any, Any, object]] | None
    """Keeps up what the providers share; runs as long as they do. None: there is nothing to keep up."""

    def provider(self, service: str, status: WatchStatus) -> Provider:
        """What finds the instances of a service.

        Args:
            service: its name.
            status: what the provider writes about itself.
        """


def source(options: Options) -> Source:
    """The source that the options name."""
    name = "static" if options.static is not None else "docker" if options.docker else "consul"
    make: Callable[[Options], Source] = resolve_name(f"{__name__}.{name}:Source")
    return make(options)
