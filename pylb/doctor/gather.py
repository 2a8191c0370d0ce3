"""The doctor's questions: to Consul, to Docker, to pylb itself, and a connection to each instance."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import consul
import orjson

from pylb.clients.consul import ConsulClient, ConsulError, ConsulSettings, plain_reason
from pylb.clients.docker import DockerClient, EngineError, EngineSettings
from pylb.config import Address
from pylb.containers.container import Container
from pylb.discovery.health import read_instances
from pylb.doctor.facts import Facts, Instances, Registry
from pylb.doctor.rules import UNRESOLVED
from pylb.model import Endpoint

PATIENCE = 3.0
"""Seconds for pylb's own pages, and for a connection to an instance."""
CONSUL = "consul"
"""The service that Consul itself is registered as."""


async def gather(
    *,
    consul_settings: ConsulSettings | None = None,
    engine_settings: EngineSettings | None = None,
    admin: Address | None = None,
    services: Sequence[str] = (),
) -> Facts:
    """Ask whatever is given; what does not answer is a fact too.

    Args:
        consul_settings: where Consul is.
        engine_settings: where the Docker engine is.
        admin: pylb's admin address.
        services: the services to look at; all that Consul knows, if none is given.
    """
    silent: dict[str, str] = {}
    registry = containers = pools = None
    if consul_settings:
        try:
            registry = await ask_consul(consul_settings, services)
        except consul.ConsulException as error:
            silent[f"Consul at {consul_settings.url}"] = str(error)
    if engine_settings:
        try:
            containers = await ask_docker(engine_settings)
        except EngineError as error:
            silent[f"Docker at {engine_settings.url}"] = str(error)
    if admin:
        try:
            pools = await ask_pylb(admin)
        except (aiohttp.ClientError, OSError, ValueError, TimeoutError) as error:
            silent[f"pylb at {admin}"] = str(error) or "no answer in time"
    passing = [e for each in registry.services.values() for e in each.passing] if registry else []
    return Facts(
        registry=registry,
        containers=containers,
        pools=pools,
        silent=silent,
        connects=await try_to_connect(passing),
    )


async def ask_consul(settings: ConsulSettings, services: Sequence[str]) -> Registry:
    """Ask Consul about itself and about services.

    Raises:
        ConsulException: no usable answer.
    """
    async with ConsulClient(settings) as client:
        itself, skew = await _ask(client, "/v1/agent/self")
        leader, _ = await _ask(client, "/v1/status/leader")
        nodes: list[Any] = []
        found: dict[str, Instances] = {}
        if leader:
            nodes, _ = await _ask(client, "/v1/catalog/nodes")
            known, _ = await _ask(client, "/v1/catalog/services")
            for service in services or sorted(set(known) - {CONSUL}):
                answer = await client.service_health(service)
                passing, excluded = read_instances(service, answer.items, warning_ok=True)
                found[service] = Instances(passing=passing, excluded=excluded, hidden=answer.filtered)
        return Registry(
            url=settings.url,
            leader=leader,
            server=bool(itself.get("Config", {}).get("Server")),
            nodes=len(nodes) or 1,
            clock_skew=skew,
            services=found,
        )


async def _ask(client: ConsulClient, path: str) -> tuple[Any, float]:
    """A call's JSON, and how far ahead the clock of whoever answered is."""

    def read(response: consul.base.Response) -> tuple[Any, float]:
        if response.code != 200:
            words = response.body[:200].decode(errors="replace").strip()
            raise ConsulError(f"answered {response.code} {words} to {path}")
        try:
            return orjson.loads(response.body), clock_skew(response.headers, time.time())
        except ValueError as error:
            raise ConsulError(f"cannot understand the answer to {path}: {error}") from error

    found: tuple[Any, float] = await client.http.get(read, path, headers=client.prepare_headers(), raw=True)
    return found


def clock_skew(headers: Mapping[str, str], now: float) -> float:
    """Seconds that the sender's clock is ahead, from its `Date`, which has whole seconds; 0 without one."""
    try:
        sent = parsedate_to_datetime(headers["Date"]).timestamp()
    except (KeyError, ValueError):
        return 0.0
    return sent - now


async def ask_docker(settings: EngineSettings) -> tuple[Container, ...]:
    """Ask an engine for its containers.

    Raises:
        EngineError: no usable answer.
    """
    async with DockerClient(settings) as docker:
        return tuple(await docker.containers())


async def ask_pylb(admin: Address) -> Mapping[str, Any]:
    """Ask a running pylb for its pools.

    Raises:
        aiohttp.ClientError, OSError, ValueError, TimeoutError: no usable answer.
    """
    connector = aiohttp.UnixConnector(admin.path) if admin.path else aiohttp.TCPConnector()
    host = "localhost" if admin.path else str(admin)
    timeout = aiohttp.ClientTimeout(total=PATIENCE)
    async with (
        aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
        session.get(f"http://{host}/pools", raise_for_status=True) as answer,
    ):
        pools: Mapping[str, Any] = orjson.loads(await answer.read())
        return pools


async def try_to_connect(endpoints: Iterable[Endpoint]) -> dict[tuple[str, int], str]:
    """Open a connection to each address and close it again; say what went wrong, if anything."""
    places = sorted({(e.address, e.port) for e in endpoints})
    errors = await asyncio.gather(*(_connect(*place) for place in places))
    return dict(zip(places, errors, strict=True))


async def _connect(host: str, port: int) -> str:
    try:
        async with asyncio.timeout(PATIENCE):
            _, writer = await asyncio.open_connection(host, port)
    except socket.gaierror as error:
        return f"{UNRESOLVED} cannot be resolved: {error.strerror}"
    except TimeoutError:
        return f"no connection within {PATIENCE:g} s"
    except OSError as error:
        return plain_reason(error)
    writer.close()
    return ""
