from contextlib import aclosing

import pytest

from pylb.clients.consul import ConsulClient, ConsulError
from pylb.clients.consul_agent import ConsulAgent
from pylb.discovery.sources.consul.names import service_names
from pylb.registry.embedded import DevRegistry
from tests.registries import consul_at


async def test_the_names_of_all_services_are_followed():
    registry = DevRegistry()
    await registry.start()
    options = consul_at(f"http://{registry.address}")
    async with aclosing(service_names(options)) as names:
        assert await anext(names) == frozenset()
        async with ConsulClient(options) as client:
            await ConsulAgent(client).register({"ID": "a", "Name": "web", "Port": 80})
        assert await anext(names) == {"web"}
    await registry.stop()
    with pytest.raises(ConsulError):
        await anext(service_names(options))
