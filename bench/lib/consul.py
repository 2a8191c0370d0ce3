"""A real Consul agent for a measurement, and the calls that register and deregister instances."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Self

from bench.lib.packages import MissingError
from bench.lib.ports import free_port
from bench.lib.server import Command, Server, serve
from tests.components import ComponentError, consul_binary


class CatalogError(Exception):
    """Consul rejected a registration or deregistration; the message quotes its response."""


@contextmanager
def serve_consul(directory: Path, cores: Sequence[int], dns: int = 0, http: int = 0) -> Iterator[Server]:
    """Run `consul agent -dev` while the context is open. It is ready when the context is entered.

    Args:
        directory: receives its output.
        cores: its CPU cores.
        dns: port of its DNS server; 0 selects a free port.
        http: port of its API; 0 selects a free port.

    Raises:
        MissingError: Consul is not installed and cannot be downloaded.
    """
    try:
        binary = consul_binary()
    except ComponentError as error:
        raise MissingError(str(error)) from None
    port = http or free_port()
    ports = [f"-dns-port={dns or free_port()}"]
    ports += [f"-{name}-port={free_port()}" for name in ("server", "serf-lan", "serf-wan")]
    argv = [
        str(binary),
        "agent",
        "-dev",
        "-client=127.0.0.1",
        "-bind=127.0.0.1",
        f"-http-port={port}",
        *ports,
    ]
    argv += ["-grpc-port=-1", "-hcl=disable_update_check = true", "-log-level=warn"]
    with serve("consul", Command(argv), port, directory, cores) as consul:
        consul.wait_until_ready("/v1/health/state/passing", containing=b"serfHealth")
        yield consul


class Catalog:
    """Registers instances of one service at one agent, over one connection that the context manager closes.

    Args:
        consul: the agent.
        service: the service's name.
        tags: tags of each instance.
    """

    def __init__(self, consul: Server, service: str, tags: Sequence[str] = ()) -> None:
        self._connection = HTTPConnection("127.0.0.1", consul.port, timeout=10)
        self._service = service
        self._tags = tags

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._connection.close()

    def register(self, instance: str, port: int) -> None:
        """Register an instance on 127.0.0.1 with a check that passes for a day.

        Consul knows the instance when the call returns. The check is needed because Traefik's watch waits for
        changes of checks and would not detect an instance without one.

        Raises:
            CatalogError: Consul rejected it.
        """
        entry = {
            "ID": instance,
            "Name": self._service,
            "Address": "127.0.0.1",
            "Port": port,
            "Tags": self._tags,
            "Check": {"TTL": "24h", "Status": "passing"},
        }
        self._put("/v1/agent/service/register", json.dumps(entry))

    def deregister(self, instance: str) -> None:
        """Deregister an instance.

        Raises:
            CatalogError: Consul rejected it.
        """
        self._put(f"/v1/agent/service/deregister/{instance}", "")

    def _put(self, path: str, body: str) -> None:
        self._connection.request("PUT", path, body)
        answer = self._connection.getresponse()
        text = answer.read().decode(errors="replace")
        if answer.status != 200:
            raise CatalogError(f"consul answered {answer.status} to {path}: {text.strip()}")
