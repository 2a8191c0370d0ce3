"""A registry and backends as one proxy finds them: afresh for each, since they are broken then."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from bench.lib.consul import Catalog, serve_consul
from bench.lib.fleet import workshop
from bench.lib.origins import serve_origins
from bench.lib.peers.follower import Registry
from bench.lib.ports import free_port

SERVICE = "web"
BACKENDS = 3


class Environment:
    """Consul, and backends that it knows, each in a process of its own.

    Args:
        cores: where they run.
        tags: of the instances.
        until: what ends everything.

    Raises:
        MissingError: there is no Consul.
        StartError: something did not start.
        CatalogError: Consul refused an instance.
    """

    def __init__(self, cores: Sequence[int], tags: Sequence[str], until: ExitStack) -> None:
        self.until = until
        self.registry = Registry(free_port(), free_port(), SERVICE)
        self._cores = cores
        self._tags = tags
        self.backends = [
            until.enter_context(serve_origins(until.enter_context(workshop()), [free_port()], cores))
            for _ in range(BACKENDS)
        ]
        self.start_registry()
        self.register()

    def start_registry(self) -> None:
        """Start Consul, always at the same place; it knows nothing."""
        home = self.until.enter_context(workshop())
        where = self.registry
        self.consul = self.until.enter_context(serve_consul(home, self._cores, where.dns, where.http))

    def is_served(self) -> bool:
        """Whether each backend has had a request."""
        return all(backend.timestamps.first(0) for backend in self.backends)

    def register(self) -> None:
        """Tell it of the backends."""
        with Catalog(self.consul, SERVICE, self._tags) as catalog:
            for number, backend in enumerate(self.backends, 1):
                catalog.register(f"web-{number}", backend.ports[0])
