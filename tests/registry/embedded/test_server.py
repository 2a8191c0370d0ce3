import asyncio
import json
import socket

import aiohttp
import pytest

from pylb.registry.embedded import DevRegistry


async def test_the_server_listens_until_it_stops(session):
    registry = DevRegistry()
    address = await registry.start()
    assert address == registry.address
    assert address.startswith("127.0.0.1:")
    async with session.get(f"http://{address}/v1/status/leader") as answer:
        assert await answer.json() == address
    await registry.stop()
    assert registry.address == ""
    with pytest.raises(aiohttp.ClientConnectionError):
        await session.get(f"http://{address}/v1/status/leader")


async def test_a_restarted_server_has_no_data(session):
    registry = DevRegistry()
    address = await registry.start()
    async with session.put(f"http://{address}/v1/agent/service/register", json={"Name": "web"}) as answer:
        assert answer.status == 200
    await registry.stop()
    host, _, port = address.rpartition(":")
    assert await registry.start(host, int(port)) == address
    async with session.get(f"http://{address}/v1/agent/services") as answer:
        assert await answer.json() == {}
    await registry.stop()


async def test_stopping_does_not_wait_for_blocking_queries(session):
    before = asyncio.all_tasks()
    registry = DevRegistry()
    address = await registry.start()
    check = {"Name": "web", "Check": {"TCP": "127.0.0.1:1", "Interval": "1s"}}
    async with session.put(f"http://{address}/v1/agent/service/register", json=check) as answer:
        assert answer.status == 200
    index = (await session.get(f"http://{address}/v1/health/service/web")).headers["X-Consul-Index"]
    url = f"http://{address}/v1/health/service/web?index={index}&wait=5m"
    async with asyncio.TaskGroup() as tasks:
        reader = tasks.create_task(blocked(session, url))
        await asyncio.sleep(0.02)
        async with asyncio.timeout(2):
            await registry.stop()
    assert isinstance(reader.result(), aiohttp.ClientError)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def blocked(session, url):
    """The error that ends a query that never got its answer."""
    try:
        async with session.get(url) as answer:
            return answer.status
    except aiohttp.ClientError as error:
        return error


async def test_an_address_in_use_is_an_os_error():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        registry = DevRegistry()
        with pytest.raises(OSError, match="Address already in use"):
            await registry.start("127.0.0.1", taken.getsockname()[1])
    await registry.stop()


async def test_stopping_twice_or_before_the_start_is_no_error():
    registry = DevRegistry()
    await registry.stop()
    await registry.start()
    await registry.stop()
    await registry.stop()


async def test_ipv6(session):
    registry = DevRegistry()
    address = await registry.start("::1")
    assert address.startswith("[::1]:")
    async with session.get(f"http://{address}/v1/catalog/nodes") as answer:
        assert (await answer.json())[0]["Address"] == "::1"
    await registry.stop()


@pytest.mark.parametrize(("wildcard", "loopback"), [("0.0.0.0", "127.0.0.1"), ("::", "::1")])
async def test_the_node_of_a_registry_on_all_addresses_has_a_loopback_address(session, wildcard, loopback):
    registry = DevRegistry()
    await registry.start(wildcard)
    async with session.get(f"http://{registry.address}/v1/catalog/nodes") as answer:
        assert (await answer.json())[0]["Address"] == loopback
    await registry.stop()


async def test_pretty_indents_the_json(session):
    registry = DevRegistry()
    address = await registry.start()
    async with session.get(f"http://{address}/v1/catalog/services?pretty") as answer:
        assert await answer.text() == json.dumps({"consul": []}, indent=2) + "\n"
    async with session.get(f"http://{address}/v1/catalog/services") as answer:
        assert await answer.text() == '{"consul":[]}\n'
    await registry.stop()
