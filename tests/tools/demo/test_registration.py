import asyncio
import json
import shlex

import aiohttp
import pytest
from aiohttp import web
from consul import ConsulException

from pylb.clients.consul import ConsulClient
from pylb.config import Url
from pylb.model import Endpoint
from pylb.registry.embedded import DevRegistry
from pylb.tools.demo.registration import deregister, register, registered, registration_command
from pylb.tools.demo.webservice import WebService
from tests.registries import consul_at
from tests.until import until


@pytest.fixture
async def instance(aiohttp_server):
    server = await aiohttp_server(WebService("web-1").app())
    return Endpoint("web", "127.0.0.1", server.port, id="web-1")


async def test_a_registered_instance_is_passing_immediately(client, instance, statuses):
    await register(client, instance)
    assert await statuses() == {"web-1": "passing"}


async def test_a_registered_instance_is_checked(client, unused_tcp_port, statuses):
    await register(client, Endpoint("web", "127.0.0.1", unused_tcp_port, id="web-1"))
    await until_statuses(statuses, {"web-1": "critical"})


async def test_deregistration_removes_instance_and_check(client, instance, statuses):
    await register(client, instance)
    await deregister(client, instance)
    assert await statuses() == {}


async def test_a_rejection_has_the_registrys_message(instance, aiohttp_server):
    async with ConsulClient(consul_at(await refusing(aiohttp_server))) as client:
        with pytest.raises(ConsulException, match="Permission denied"):
            await register(client, instance)
        with pytest.raises(ConsulException, match="Permission denied"):
            await deregister(client, instance)


async def refusing(aiohttp_server):
    async def refuse(request):
        return web.Response(status=403, text="Permission denied")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", refuse)
    server = await aiohttp_server(app)
    return f"http://127.0.0.1:{server.port}"


async def paste(command):
    """Execute the command as a shell would, without curl."""
    program, _, method, place, _, data = shlex.split(command)
    assert program == "curl"
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"http://{place}", data=data) as answer,
    ):
        assert answer.status == 200, await answer.text()


async def test_the_command_registers_the_same_instance(registry, instance, statuses):
    await paste(registration_command(registry, instance))
    assert await statuses() == {"web-1": "passing"}


def test_the_command_fits_on_a_terminal_and_tolerates_trailing_blanks():
    longest = Endpoint("web", "127.0.0.1", 65535, id="web-1000")
    lines = registration_command(Url("http", "127.0.0.1", 65535), longest).split("\n")
    assert len(lines) == 2
    assert max(map(len, lines)) <= 78
    padded = "\n".join(line.ljust(80) for line in lines)
    *_, data = shlex.split(padded)
    assert json.loads(data) == {"Name": "web", "ID": "web-1000", "Address": "127.0.0.1", "Port": 65535}


async def test_an_instance_is_registered_during_the_block(registry, instance, statuses):
    async with registered(registry, instance):
        await until_statuses(statuses, {"web-1": "passing"})
    assert await statuses() == {}


async def until_statuses(statuses, expected):
    async with asyncio.timeout(5):
        while await statuses() != expected:
            await asyncio.sleep(0.01)


async def test_registration_is_retried_until_the_registry_starts(
    instance, unused_tcp_port, http, caplog, monkeypatch
):
    caplog.set_level("INFO")
    monkeypatch.setattr("pylb.tools.demo.registration.RETRY", 0.02)
    url = Url("http", "127.0.0.1", unused_tcp_port)
    async with registered(url, instance):
        await until(lambda: "web-1 is not registered yet: Consul at" in caplog.text)
        server = DevRegistry()
        await server.start(url.host, url.port)
        await until(lambda: caplog.text.count("is registered as web") == 1)
    async with http.get(f"{url}/v1/agent/services") as answer:
        assert await answer.json() == {}
    await server.stop()
    assert caplog.text.count("is not registered yet") == 1


async def test_retries_stop_at_the_end_of_the_block(instance, unused_tcp_port, caplog):
    async with registered(Url("http", "127.0.0.1", unused_tcp_port), instance):
        await until(lambda: "is not registered yet" in caplog.text)
    assert "could not be deregistered" not in caplog.text


async def test_a_registry_that_has_ended_is_logged_and_not_raised(instance, caplog):
    caplog.set_level("INFO")
    server = DevRegistry()
    host, port = (await server.start()).split(":")
    async with registered(Url("http", host, int(port)), instance):
        await until(lambda: "is registered" in caplog.text)
        await server.stop()
    assert "web-1 could not be deregistered: Consul at" in caplog.text


async def test_a_wildcard_address_is_replaced_by_the_local_address(registry, http, caplog):
    caplog.set_level("INFO")
    async with registered(registry, Endpoint("web", "0.0.0.0", 80, id="web-1")):
        await until(lambda: "web-1 is registered as web at 127.0.0.1:80" in caplog.text)
        async with http.get(f"{registry}/v1/agent/services") as answer:
            assert (await answer.json())["web-1"]["Address"] == "127.0.0.1"
