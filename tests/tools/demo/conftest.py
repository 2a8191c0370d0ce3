"""Fixtures: an empty registry for each test, and clients."""

import aiohttp
import pytest
import uvloop

from pylb.clients.consul import ConsulClient
from pylb.config import Url
from pylb.registry.embedded import DevRegistry
from tests.registries import consul_at


def pytest_asyncio_loop_factories():
    """Run every test of this folder on uvloop, as pylb does."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def registry():
    """The URL of an empty registry."""
    server = DevRegistry()
    host, port = (await server.start()).split(":")
    yield Url("http", host, int(port))
    await server.stop()


@pytest.fixture
async def client(registry):
    async with ConsulClient(consul_at(str(registry))) as client:
        yield client


@pytest.fixture
async def http():
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def statuses(http, registry):
    """Return the worst status of each instance of `web` in the registry, by id."""

    async def ask():
        async with http.get(f"{registry}/v1/health/service/web") as answer:
            return {
                item["Service"]["ID"]: min(check["Status"] for check in item["Checks"])
                for item in await answer.json()
            }

    return ask
