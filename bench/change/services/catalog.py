"""A Consul server with many services in its catalog."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from bench.lib.consul import CatalogError
from bench.lib.packages import MissingError
from bench.lib.ports import free_port
from bench.lib.server import Command, Server, serve
from tests.components import ComponentError, consul_binary

STEADY = 3
"""Permanent instances of each service."""
HEAVY = 100
"""Weight of a temporary instance."""
MAX_CONNECTIONS = 10_000
"""Consul's default of 200 would not allow one connection per service."""


@contextmanager
def serve_consul(directory: Path, cores: Sequence[int]) -> Iterator[Server]:
    """Run one server with its data on disk, as in production; a development agent indents its JSON.

    Raises:
        MissingError: Consul is missing and cannot be downloaded.
    """
    try:
        binary = consul_binary()
    except ComponentError as error:
        raise MissingError(str(error)) from None
    port = free_port()
    argv = [str(binary), "agent", "-server", "-bootstrap-expect=1", f"-data-dir={directory}/data"]
    argv += ["-client=127.0.0.1", "-bind=127.0.0.1", f"-http-port={port}", "-dns-port=-1", "-grpc-port=-1"]
    argv += [f"-{name}-port={free_port()}" for name in ("server", "serf-lan", "serf-wan")]
    argv += ["-log-level=warn", "-hcl=disable_update_check = true"]
    argv += [f"-hcl=limits {{ http_max_conns_per_client = {MAX_CONNECTIONS} }}"]
    with serve("consul", Command(argv), port, directory, cores) as consul:
        consul.wait_until_ready("/v1/health/state/passing", containing=b"serfHealth")
        yield consul


class Services:
    """Services in a catalog, written directly to the server over one connection.

    Args:
        consul: the server.
        names: names of the services.
        nodes: number of nodes among which instances are divided.
        has_checks: whether the instances have a check.
        routes: number of routes that each instance declares.
        labels: whether they are declared by Traefik's labels, and not by `lb_route`.
    """

    def __init__(
        self,
        consul: Server,
        names: Sequence[str],
        nodes: int,
        *,
        has_checks: bool,
        routes: int = 0,
        labels: bool = False,
    ) -> None:
        self._connection = HTTPConnection("127.0.0.1", consul.port, timeout=30)
        self._nodes = nodes
        self.has_checks = has_checks
        self._routes = routes
        self._labels = labels
        self._places = {name: place for place, name in enumerate(names)}

    def fill(self, port: int, names: Sequence[str] | None = None) -> None:
        """Register the permanent instances of some services, by default of all."""
        for service in self._places if names is None else names:
            for number in range(STEADY):
                self.register(service, number, port)

    def register(self, service: str, number: int, port: int, status: str = "passing") -> None:
        """Register an instance at a separate loopback address, or change its registration.

        A temporary instance receives nearly all requests, so that each request shows whether it is in the
        pool.

        Raises:
            CatalogError: Consul rejected the call.
        """
        service_id = f"{service}-{number}"
        entry: dict[str, Any] = {
            **self._node(service, number),
            "Service": {
                "ID": service_id,
                "Service": service,
                "Address": f"127.0.0.{number + 1}",
                "Port": port,
                "Weights": {"Passing": 1 if number < STEADY else HEAVY, "Warning": 1},
                "Tags": ["production", "v1", *self._declared(service)],
                "Meta": {"version": "1.2.3", "team": "shop"},
            },
        }
        if self.has_checks:
            entry["Check"] = {
                "CheckID": f"service:{service_id}",
                "Name": f"Service {service_id}",
                "Status": status,
                "ServiceID": service_id,
                "Output": "HTTP GET http://127.0.0.1/health: 200 OK",
            }
        self._put("/v1/catalog/register", entry)

    def deregister(self, service: str, number: int) -> None:
        """Remove an instance.

        Raises:
            CatalogError: Consul rejected the call.
        """
        node = self._node(service, number)
        self._put("/v1/catalog/deregister", {"Node": node["Node"], "ServiceID": f"{service}-{number}"})

    def _declared(self, service: str) -> list[str]:
        """Return tags that declare routes: all paths of the host of the service, and some below it."""
        paths = [f"/{number}" if number else "" for number in range(self._routes)]
        if not self._labels:
            return [f"lb_route_{number}={service}.example{path}" for number, path in enumerate(paths)]
        rules = [
            f"Host(`{service}.example`)" + (f" && PathPrefix(`{path}`)" if path else "") for path in paths
        ]
        return [f"traefik.http.routers.{service}-{number}.rule={rule}" for number, rule in enumerate(rules)]

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _node(self, service: str, number: int) -> dict[str, Any]:
        place = (self._places[service] * STEADY + number) % self._nodes
        return {"Node": f"host-{place}", "Address": f"10.0.{place // 250}.{place % 250}"}

    def _put(self, path: str, content: dict[str, Any]) -> None:
        self._connection.request("PUT", path, json.dumps(content))
        response = self._connection.getresponse()
        text = response.read().decode(errors="replace")
        if response.status != 200:
            raise CatalogError(f"consul answered {response.status} to {path}: {text.strip()}")
