"""The registry and the backends of one round. Each round has its own, because the fault breaks them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from bench.lib.consul import Catalog, serve_consul
from bench.lib.fleet import temporary_directory
from bench.lib.origins import serve_origins
from bench.lib.peers.follower import Registry
from bench.lib.ports import free_port

SERVICE = "web"
BACKENDS = 3


class Environment:
    """Consul and registered backends, each in a separate process.

    Args:
        cores: their CPU cores.
        tags: tags of the instances.
        until: stops everything when it closes.

    Raises:
        MissingError: Consul is not installed.
        StartError: a program did not start.
        CatalogError: Consul rejected an instance.
    """

    def __init__(self, cores: Sequence[int], tags: Sequence[str], until: ExitStack) -> None:
        self.until = until
        self.registry = Registry(free_port(), free_port(), SERVICE)
        self._cores = cores
        self._tags = tags
        self.backends = [
            until.enter_context(
                serve_origins(until.enter_context(temporary_directory()), [free_port()], cores)
            )
            for _ in range(BACKENDS)
        ]
        self.start_registry()
        self.register()

    def start_registry(self) -> None:
        """Start an empty Consul, always on the same ports."""
        home = self.until.enter_context(temporary_directory())
        where = self.registry
        self.consul = self.until.enter_context(serve_consul(home, self._cores, where.dns, where.http))

    def is_served(self) -> bool:
        """Whether each backend has received a request."""
        return all(backend.timestamps.first(0) for backend in self.backends)

    def register(self) -> None:
        """Register all backends."""
        with Catalog(self.consul, SERVICE, self._tags) as catalog:
            for number, backend in enumerate(self.backends, 1):
                catalog.register(f"web-{number}", backend.ports[0])
