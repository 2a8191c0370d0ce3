"""Backends that are written down."""

from __future__ import annotations

from pylb.config import Options
from pylb.discovery.static import StaticProvider, parse_static
from pylb.discovery.status import WatchStatus


class Source:
    """The option that lists them.

    Args:
        options: has it.
    """

    run = None

    def __init__(self, options: Options) -> None:
        self._options = options

    def provider(self, service: str, _status: WatchStatus) -> StaticProvider:
        """What says them, once."""
        return StaticProvider(service, parse_static(service, self._options.static or ""))
