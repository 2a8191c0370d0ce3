"""A Docker engine, as the options describe it."""

from __future__ import annotations

from pylb.clients.docker import EngineSettings
from pylb.config import Options
from pylb.config.sources import Docker
from pylb.discovery.docker import DockerProvider
from pylb.discovery.status import WatchStatus


def engine_settings(options: Docker) -> EngineSettings:
    """How to reach it."""
    return EngineSettings(
        url=str(options.docker_host), certificates=options.docker_certs if options.docker_tls else None
    )


class Source:
    """One engine.

    Args:
        options: where it is, and what is read there.
    """

    run = None

    def __init__(self, options: Options) -> None:
        self._options = options

    def provider(self, service: str, _status: WatchStatus) -> DockerProvider:
        """What follows the containers of a service there."""
        options = self._options
        return DockerProvider(
            engine_settings(options),
            service,
            tags=options.tag,
            network=options.network or "",
            project=options.project or "",
        )
