"""An instance's entry in the registry, made as anybody would make it: over Consul's HTTP API."""

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
"""Seconds between two tries to reach a registry."""

log = logging.getLogger("pylb.tools.demo")


async def register(client: ConsulClient, instance: Endpoint) -> None:
    """Have requests sent to an instance that listens already.

    Its health check counts as passed until it first runs: an instance is registered because it is ready, and
    Consul would otherwise hold it back until then.

    Raises:
        ConsulException: the registry does not answer, or refuses.
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
    """Have no more requests sent to an instance; those in flight there go on.

    Raises:
        ConsulException: the registry does not answer, or refuses.
    """
    await client.agent.service.deregister(instance.id)


def by_hand(registry: Url, instance: Endpoint) -> str:
    """The shell command that registers an instance, in two lines that fit on a terminal.

    The line breaks inside the quotes, between two members of the object: there, the blanks that some
    terminals copy at the end of a line do no harm.
    """
    place = str(registry).removeprefix("http://")
    rest = json.dumps({"ID": instance.id, "Address": instance.address, "Port": instance.port}).lstrip("{")
    return f'curl -X PUT {place}/v1/agent/service/register -d \'{{"Name": "{instance.service}",\n{rest}\''


@asynccontextmanager
async def registered(registry: Url, instance: Endpoint) -> AsyncIterator[None]:
    """Have the instance in the registry for the time of the block, or as much of it as the registry answers.

    Args:
        registry: where it is; it may come later, or go before.
        instance: what to register; with an address that stands for all, the one on the way to the registry
            is taken instead.
    """
    async with ConsulClient(Consul(consul=registry)) as client, TaskScope(instance.id) as owner:
        entering = _register_in_time(client, registry, instance)
        entry = spawn(entering, name=f"register {instance.id}", owner=owner)
        yield
        if not entry.done():
            return
        try:
            await deregister(client, instance)
            log.info("%s is deregistered", instance.id)
        except ConsulException as error:
            log.warning("%s could not be deregistered: %s", instance.id, error)


async def _register_in_time(client: ConsulClient, registry: Url, instance: Endpoint) -> None:
    trouble = ""
    while True:
        try:
            if instance.address in {"0.0.0.0", "::", ""}:
                instance = replace(instance, address=await asyncio.to_thread(_own_address, registry))
            await register(client, instance)
        except (ConsulException, OSError) as error:
            if trouble != str(error):
                trouble = str(error)
                log.warning("%s is not registered yet: %s", instance.id, trouble)
            await asyncio.sleep(RETRY)
        else:
            log.info("%s is registered as %s at %s", instance.id, instance.service, instance.authority)
            return


def _own_address(registry: Url) -> str:
    """The machine's address on the way to the registry; a UDP socket finds it without sending anything."""
    if registry.path:
        return "127.0.0.1"
    family, kind, _, _, where = socket.getaddrinfo(registry.host, registry.port, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind) as way:
        way.connect(where)
        address: str = way.getsockname()[0]
        return address
