"""pylb's own entry in a real Consul."""

import asyncio

import aiohttp
import pytest

from pylb.clients.consul import ConsulClient
from pylb.clients.consul_agent import ConsulAgent
from pylb.registry import self_registration
from pylb.registry.self_registration import Identity, SelfRegistration
from pylb.runtime.lifecycle import TaskScope, spawn
from tests.registries import consul_at
from tests.until import until

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def impatience(monkeypatch):
    monkeypatch.setattr(self_registration, "POLL_INTERVAL", 0.02)
    monkeypatch.setattr(self_registration, "CONFIRM_INTERVAL", 0.2)


class Registered:
    """Consul's health entries of a service."""

    def __init__(self, consul, service):
        self.url = f"{consul.url}/v1/health/service/{service}"

    async def checks(self):
        """Status and output of the service's own checks."""
        async with aiohttp.ClientSession() as http, http.get(self.url) as answer:
            entries = await answer.json()
        return [
            (entry["Service"]["ID"], check["Status"], check["Output"])
            for entry in entries
            for check in entry["Checks"]
            if check["ServiceID"]
        ]

    async def become(self, status, output=""):
        """Wait for it; Consul tells a new output late, unless the status is a new one too."""
        async with asyncio.timeout(20):
            while [(i, s) for i, s, _ in await self.checks()] != [("gateway:host-1:8080", status)]:
                await asyncio.sleep(0.02)
        ((_, _, found),) = await self.checks()
        assert output in found


@pytest.fixture
async def here(consul):
    obstacles = ["pylb is starting"]
    async with (
        ConsulClient(consul_at(consul.url)) as client,
        TaskScope("presence") as scope,
    ):
        identity = Identity("gateway", "host-1", 8080, "127.0.0.1")
        made = SelfRegistration(ConsulAgent(client), identity, lambda: obstacles)
        made.obstacles, made.client = obstacles, client
        spawn(made.keep(), name="presence", scope=scope)
        yield made
    async with ConsulClient(consul_at(consul.url)) as client:
        await ConsulAgent(client).deregister(identity.id)


async def test_the_entry_follows_readiness_and_is_removed_at_the_end(consul, here):
    registered = Registered(consul, "gateway")
    await registered.become("critical")
    here.obstacles.clear()
    await registered.become("passing")
    here.obstacles.append("service web: the registry last answered 90 s ago")
    await registered.become("critical", here.obstacles[0])
    here.obstacles.clear()
    await here.leave()
    assert await registered.checks() == []


async def test_a_removed_entry_is_registered_again(consul, here):
    here.obstacles.clear()
    registered = Registered(consul, "gateway")
    await registered.become("passing")
    await ConsulAgent(here.client).deregister("gateway:host-1:8080")
    assert await registered.checks() == []
    await registered.become("passing")


async def test_an_unavailable_consul_delays_neither_start_nor_end(unused_tcp_port, caplog):
    async with ConsulClient(consul_at(f"http://127.0.0.1:{unused_tcp_port}")) as client:
        away = SelfRegistration(ConsulAgent(client), Identity("gateway", "host-1", 80), list)
        async with TaskScope("presence") as scope:
            spawn(away.keep(), name="presence", scope=scope)
            await until(lambda: "cannot report the status of" in caplog.text)
            async with asyncio.timeout(5):
                await away.leave()
    assert "stays registered until its check expires" in caplog.text
