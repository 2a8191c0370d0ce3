"""Builds the provider of fixed backends from options."""

from __future__ import annotations

from pylb.config import Options
from pylb.config.fixed_backends import parse_static
from pylb.discovery.sources.static import StaticProvider
from pylb.discovery.status import DiscoveryStatus


class Source:
    """The backends of `--static`.

    Args:
        options: the options of pylb.
    """

    run = names = zone = None

    def __init__(self, options: Options) -> None:
        self._options = options

    def provider(self, service: str, _status: DiscoveryStatus) -> StaticProvider:
        """Return the provider of `--static`."""
        return StaticProvider(service, parse_static(service, self._options.static or ""))
