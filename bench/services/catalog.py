"""A Consul server, and many services in its catalog."""

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
"""Instances of each service that stay."""
HEAVY = 100
"""Weight of an instance that comes and goes."""
MAX_CONNECTIONS = 10_000
"""Consul's default, 200, would forbid one connection per service."""


@contextmanager
def serve_consul(directory: Path, cores: Sequence[int]) -> Iterator[Server]:
    """Run one server with its data on disk, as in production: a development agent indents its answers.

    Raises:
        MissingError: there is no Consul, and it cannot be fetched.
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
    """Services in a catalog, written past all agents, over one connection.

    Args:
        consul: the server.
        names: of the services.
        nodes: on how many nodes the instances are.
        checked: whether the instances have a check.
    """

    def __init__(self, consul: Server, names: Sequence[str], nodes: int, *, checked: bool) -> None:
        self._connection = HTTPConnection("127.0.0.1", consul.port, timeout=30)
        self._nodes = nodes
        self.checked = checked
        self._places = {name: place for place, name in enumerate(names)}

    def fill(self, port: int) -> None:
        """Register the instances that stay."""
        for service in self._places:
            for number in range(STEADY):
                self.register(service, number, port)

    def register(self, service: str, number: int, port: int, status: str = "passing") -> None:
        """Register an instance at a loopback address of its own, or change it.

        One that does not stay gets nearly all requests, so that each shows whether it is there.

        Raises:
            CatalogError: Consul refused it.
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
                "Tags": ["production", "v1"],
                "Meta": {"version": "1.2.3", "team": "shop"},
            },
        }
        if self.checked:
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
            CatalogError: Consul refused it.
        """
        node = self._node(service, number)
        self._put("/v1/catalog/deregister", {"Node": node["Node"], "ServiceID": f"{service}-{number}"})

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _node(self, service: str, number: int) -> dict[str, Any]:
        place = (self._places[service] * STEADY + number) % self._nodes
        return {"Node": f"host-{place}", "Address": f"10.0.{place // 250}.{place % 250}"}

    def _put(self, path: str, content: dict[str, Any]) -> None:
        self._connection.request("PUT", path, json.dumps(content))
        answer = self._connection.getresponse()
        said = answer.read().decode(errors="replace")
        if answer.status != 200:
            raise CatalogError(f"consul answered {answer.status} to {path}: {said.strip()}")
