"""Registration of an instance over Consul's HTTP API, as any program would do it."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from consul import ConsulException

from pylb.clients.consul import ConsulClient
from pylb.config import Url
from pylb.config.sources import Consul
from pylb.model import Endpoint
from pylb.runtime.lifecycle import TaskScope, spawn

RETRY = 1.0
"""Seconds between two attempts to reach a registry."""

log = logging.getLogger("pylb.tools.demo")


async def register(client: ConsulClient, instance: Endpoint) -> None:
    """Register an instance that already listens.

    Its health check is initially passing. Consul's default, critical, would exclude the instance until the
    first check.

    Raises:
        ConsulException: the registry does not answer, or rejects the registration.
    """
    await client.agent.service.register(
        instance.service,
        service_id=instance.id,
        address=instance.address,
        port=instance.port,
        check={
            "HTTP": f"http://{instance.authority}/health",
            "Interval": "1s",
            "Timeout": "1s",
            "Status": "passing",
            "DeregisterCriticalServiceAfter": "1m",
        },
    )


async def deregister(client: ConsulClient, instance: Endpoint) -> None:
    """Deregister an instance. Its requests in flight continue.

    Raises:
        ConsulException: the registry does not answer, or rejects the call.
    """
    await client.agent.service.deregister(instance.id)


def registration_command(registry: Url, instance: Endpoint) -> str:
    """Return a shell command that registers an instance, in two lines that fit on a terminal.

    The line break is inside the quotes, between two members of the object, where trailing blanks that some
    terminals copy are harmless.
    """
    place = str(registry).removeprefix("http://")
    rest = json.dumps({"ID": instance.id, "Address": instance.address, "Port": instance.port}).lstrip("{")
    return f'curl -X PUT {place}/v1/agent/service/register -d \'{{"Name": "{instance.service}",\n{rest}\''


@asynccontextmanager
async def registered(registry: Url, instance: Endpoint) -> AsyncIterator[None]:
    """Keep the instance registered during the block, as far as the registry is available.

    Args:
        registry: the URL of the registry, which may start later or end earlier.
        instance: the instance. A wildcard address is replaced by the local address that is used to reach the
            registry.
    """
    async with ConsulClient(Consul(consul=registry)) as client, TaskScope(instance.id) as scope:
        entering = _register_with_retries(client, registry, instance)
        entry = spawn(entering, name=f"register {instance.id}", scope=scope)
        yield
        if not entry.done():
            return
        try:
            await deregister(client, instance)
            log.info("%s is deregistered", instance.id)
        except ConsulException as error:
            log.warning("%s could not be deregistered: %s", instance.id, error)


async def _register_with_retries(client: ConsulClient, registry: Url, instance: Endpoint) -> None:
    problem = ""
    while True:
        try:
            if instance.address in {"0.0.0.0", "::", ""}:
                instance = replace(instance, address=await asyncio.to_thread(_own_address, registry))
            await register(client, instance)
        except (ConsulException, OSError) as error:
            if problem != str(error):
                problem = str(error)
                log.warning("%s is not registered yet: %s", instance.id, problem)
            await asyncio.sleep(RETRY)
        else:
            log.info("%s is registered as %s at %s", instance.id, instance.service, instance.authority)
            return


def _own_address(registry: Url) -> str:
    """Return the local address that is used to reach the registry. The UDP socket sends nothing."""
    if registry.path:
        return "127.0.0.1"
    family, kind, _, _, remote = socket.getaddrinfo(registry.host, registry.port, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind) as probe:
        probe.connect(remote)
        address: str = probe.getsockname()[0]
        return address
