"""Builds the Docker provider from options."""

from __future__ import annotations

from functools import partial

from pylb.config import Options
from pylb.config.sources import Docker
from pylb.discovery.sources.docker import DockerProvider, service_names
from pylb.discovery.status import DiscoveryStatus


class Source:
    """A Docker engine.

    Args:
        options: the options of pylb.
    """

    run = zone = None

    def __init__(self, options: Options) -> None:
        self._options = options
        self.names = partial(service_names, Docker.of(options), options.project or "")

    def provider(self, service: str, _status: DiscoveryStatus) -> DockerProvider:
        """Return the provider that watches the containers of a service."""
        options = self._options
        return DockerProvider(
            Docker.of(options),
            service,
            tags=options.tag,
            network=options.network or "",
            project=options.project or "",
        )
