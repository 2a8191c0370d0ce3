"""Collects the facts: queries Consul, Docker and pylb, and connects to each instance."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import consul
import orjson

from pylb.clients.consul import (
    ConsulClient,
    ConsulDeniedError,
    ConsulError,
    check_status,
    plain_reason,
)
from pylb.clients.consul_catalog import ConsulCatalog
from pylb.clients.docker import DockerClient, EngineError
from pylb.clients.inventory import Inventory, InventoryReader
from pylb.config import Address
from pylb.config.sources import Consul, Docker
from pylb.discovery.sources.consul.health import parse_instances
from pylb.discovery.sources.consul.visibility import Visibility
from pylb.model import Endpoint
from pylb.tools.doctor.facts import Facts, Instances, Registry
from pylb.tools.doctor.rules import UNRESOLVED

TIMEOUT = 3.0
"""Seconds for a response of pylb, and for a connection to an instance."""
CONSUL = "consul"
"""The name under which Consul registers itself."""


async def gather(
    *,
    consul_options: Consul | None = None,
    docker_options: Docker | None = None,
    admin: Address | None = None,
    services: Sequence[str] | None = None,
    connect: bool = True,
) -> Facts:
    """Query all given sources. A source that does not answer is a fact too.

    Args:
        consul_options: the connection to Consul; None to skip it.
        docker_options: the connection to the Docker engine; None to skip it.
        admin: pylb's admin address; None to skip it.
        services: the services to check; None for all services in Consul.
        connect: whether to connect to each instance.
    """
    silent: dict[str, str] = {}
    registry = inventory = pools = None
    if consul_options:
        try:
            registry = await query_consul(consul_options, services)
        except consul.ConsulException as error:
            silent[f"Consul at {consul_options.consul_url}"] = str(error)
    if docker_options:
        try:
            inventory = await query_docker(docker_options)
        except EngineError as error:
            silent[f"Docker at {docker_options.docker_host}"] = str(error)
    if admin:
        try:
            pools = await query_pylb(admin)
        except (aiohttp.ClientError, OSError, ValueError, TimeoutError) as error:
            silent[f"pylb at {admin}"] = str(error) or "no answer in time"
    passing = [e for each in registry.services.values() for e in each.passing] if registry else []
    return Facts(
        registry=registry,
        containers=inventory.containers if inventory else None,
        unread={each.name: each.reason for each in inventory.unread} if inventory else {},
        pools=pools,
        silent=silent,
        connects=await try_to_connect(passing) if connect else {},
    )


async def query_consul(options: Consul, services: Sequence[str] | None) -> Registry:
    """Query the state of Consul and its services.

    Raises:
        ConsulException: no usable answer.
    """
    async with ConsulClient(options) as client:
        registry = Registry(url=str(options.consul_url))
        try:
            leader, skew = await _query(client, "/v1/status/leader")
            registry = replace(registry, leader=leader, clock_skew=skew)
            registry = replace(registry, server=await _is_server(client))
            return await _read_services(client, registry, services) if leader else registry
        except ConsulDeniedError as error:
            return replace(registry, token_error=str(error))


async def _is_server(client: ConsulClient) -> bool:
    """Return whether the agent is a server; False if the token lacks the right to know."""
    try:
        itself, _ = await _query(client, "/v1/agent/self")
    except ConsulDeniedError:
        return False
    return bool(itself.get("Config", {}).get("Server"))


async def _read_services(
    client: ConsulClient, registry: Registry, services: Sequence[str] | None
) -> Registry:
    """Add nodes and services to the state of Consul."""
    catalog, visibility = ConsulCatalog(client), Visibility(client)
    nodes = await catalog.nodes()
    known = set((await catalog.services()).read())
    found: dict[str, Instances] = {}
    for service in sorted(known - {CONSUL}) if services is None else services:
        answer = await client.service_health(service)
        passing, excluded = parse_instances(service, answer.items, include_warning=True)
        lacking = "" if answer.items else await visibility.missing(service)
        found[service] = Instances(
            passing=passing, excluded=excluded, hidden=answer.filtered, lacking=lacking
        )
    return replace(registry, nodes=len(nodes) or 1, known=frozenset(known - {CONSUL}), services=found)


async def _query(client: ConsulClient, path: str) -> tuple[Any, float]:
    """Return the JSON of a call, and the clock skew of its response."""

    def read(response: consul.base.Response) -> tuple[Any, float]:
        check_status(response, f"to {path}")
        try:
            return orjson.loads(response.body), clock_skew(response.headers, time.time())
        except ValueError as error:
            raise ConsulError(f"cannot understand the answer to {path}: {error}") from error

    found: tuple[Any, float] = await client.http.get(read, path, headers=client.prepare_headers(), raw=True)
    return found


def clock_skew(headers: Mapping[str, str], now: float) -> float:
    """Return the seconds by which the sender's clock is ahead, from `Date`; 0 without one."""
    try:
        sent = parsedate_to_datetime(headers["Date"]).timestamp()
    except (KeyError, ValueError):
        return 0.0
    return sent - now


async def query_docker(options: Docker) -> Inventory:
    """Query the containers of an engine.

    Raises:
        EngineError: no usable answer.
    """
    async with DockerClient(options) as docker:
        return await InventoryReader().read(docker)


async def query_pylb(admin: Address) -> Mapping[str, Any]:
    """Query the pools of a running pylb.

    Raises:
        aiohttp.ClientError, OSError, ValueError, TimeoutError: no usable answer.
    """
    connector = aiohttp.UnixConnector(admin.path) if admin.path else aiohttp.TCPConnector()
    host = "localhost" if admin.path else str(admin)
    timeout = aiohttp.ClientTimeout(total=TIMEOUT)
    async with (
        aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
        session.get(f"http://{host}/pools", raise_for_status=True) as response,
    ):
        pools: Mapping[str, Any] = orjson.loads(await response.read())
        return pools


async def try_to_connect(endpoints: Iterable[Endpoint]) -> dict[tuple[str, int], str]:
    """Connect to each address and close the connection. Returns errors by address."""
    places = sorted({(e.address, e.port) for e in endpoints})
    errors = await asyncio.gather(*(_connect(*place) for place in places))
    return dict(zip(places, errors, strict=True))


async def _connect(host: str, port: int) -> str:
    try:
        async with asyncio.timeout(TIMEOUT):
            _, writer = await asyncio.open_connection(host, port)
    except socket.gaierror as error:
        return f"{UNRESOLVED} cannot be resolved: {error.strerror}"
    except TimeoutError:
        return f"no connection within {TIMEOUT:g} s"
    except OSError as error:
        return plain_reason(error)
    writer.close()
    return ""
