"""Follows the names of all services in Consul's catalog."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from pylb.clients.consul import ConsulClient
from pylb.config.sources import Consul

WAIT = 55.0
"""Seconds that Consul may keep a query open."""

OWN = frozenset(["consul"])
"""Services that Consul registers itself, and that receive no HTTP requests."""


async def service_names(consul: Consul) -> AsyncGenerator[frozenset[str], None]:
    """Yield the names after each response.

    Args:
        consul: where Consul is.

    Raises:
        ConsulError: no answer.
    """
    async with ConsulClient(consul) as client:
        index = 0
        while True:
            answer, services = await client.catalog.services(index=index or None, wait=f"{WAIT:g}s")
            index = int(answer) if int(answer) >= index else 0
            yield frozenset(services) - OWN
