"""Builds the provider of fixed backends from options."""

from __future__ import annotations

from pylb.config import Options
from pylb.discovery.static import StaticProvider, parse_static
from pylb.discovery.status import WatchStatus


def provider(options: Options, service: str, _status: WatchStatus) -> StaticProvider:
    """Return the provider of `--static`."""
    return StaticProvider(service, parse_static(service, options.static or ""))
