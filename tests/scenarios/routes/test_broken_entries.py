"""A broken entry among 1,000 valid ones is a problem by itself, and is served when it is corrected."""

import asyncio
import json

import aiohttp
import pytest

from tests.environment import read_request
from tests.scenarios.routes.catalog import problems

pytestmark = pytest.mark.slow

VALID = [f"valid-{number}" for number in range(1000)]

BROKEN = {
    "grammar": "/grammar strip=grammar",
    "quote": "/quote 'set:X-A=b",
    "hostile": "/hostile\r\nX-Injected: 1\x1b[31m",
    "oversize": "/" + "a" * 200_000,
    "unknown": "/unknown colour=blue",
    "protected": "/protected auth=team",
}
"""By service: a route that is no route."""


async def echo(reader, writer):
    """Answer with the path of the request."""
    while head := await read_request(reader):
        path = head.split(b" ", 2)[1]
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(path), path))


async def write_all(consul, path_of, bodies):
    """Send a PUT for each entry, over eight connections."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=8)) as session:

        async def write(name):
            async with session.put(f"{consul.url}/v1/{path_of(name)}", data=bodies[name]) as answer:
                assert answer.status == 200, await answer.text()

        await asyncio.gather(*map(write, bodies))


async def outcomes(pylb, services):
    """The status and the text of the answer to the path of each service."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=8)) as session:

        async def answer(service):
            async with session.get(f"{pylb.url}/{service}/x") as response:
                return response.status, await response.text()

        return dict(zip(services, await asyncio.gather(*map(answer, services)), strict=True))


async def reached(read, expected):
    """Wait until what is read is as expected."""
    found = None
    try:
        async with asyncio.timeout(60):
            while (found := await read()) != expected:
                await asyncio.sleep(0.02)
    except TimeoutError:
        differing = {key for key in {*found, *expected} if found.get(key) != expected.get(key)}
        raise AssertionError({key: found.get(key) for key in sorted(differing)[:5]}) from None


def route(service):
    return f"/{service} prepend=/at/{service}"


def served(services):
    return {service: (200, f"/at/{service}/{service}/x") for service in services}


async def with_problems(pylb):
    """The number of problems of each service that has one."""
    names = [name for name, _ in await problems(pylb)]
    return {name: names.count(name) for name in names}


async def check(pylb, write, blocked=()):
    """Write valid and broken routes, then correct the broken ones.

    Args:
        pylb: not started yet.
        write: writes the route of each service.
        blocked: the services whose requests are answered with 503, and not with 404.
    """
    await write({service: route(service) for service in VALID} | BROKEN)
    await pylb.start()
    await reached(lambda: with_problems(pylb), dict.fromkeys(BROKEN, 1))
    for _, text in await problems(pylb):
        assert text.isprintable()
        assert len(text) <= 410
    await reached(lambda: outcomes(pylb, VALID), served(VALID))
    statuses = {service: status for service, (status, _) in (await outcomes(pylb, BROKEN)).items()}
    assert statuses == dict.fromkeys(BROKEN, 404) | dict.fromkeys(blocked, 503)
    await write({service: route(service) for service in BROKEN})
    await reached(lambda: with_problems(pylb), {})
    await reached(lambda: outcomes(pylb, [*VALID, *BROKEN]), served([*VALID, *BROKEN]))


async def test_a_broken_tag_among_1000_services_of_the_catalog_concerns_its_service_alone(program, declaring):
    pylb = program("--consul", declaring.consul.http, "--catalog")
    origin = await pylb.origin(echo)

    def body(service, text):
        tags = [f"lb_route={text}"]
        instance = {"ID": service, "Service": service, "Address": "127.0.0.1", "Tags": tags}
        host = {"Node": f"host-{sum(service.encode()) % 3}", "Address": "127.0.0.1"}
        return json.dumps(host | {"Service": instance | {"Port": origin.endpoint.port}})

    async def write(routes):
        bodies = {service: body(service, text) for service, text in routes.items()}
        await write_all(declaring.consul, lambda _: "catalog/register", bodies)

    await check(pylb, write, blocked=["unknown", "protected"])


async def test_a_broken_key_among_1000_concerns_itself_alone(program, declaring):
    pylb = program("--consul", declaring.consul.http, "--routes", "consul:routes")
    origin = await pylb.origin(echo)

    async def write(routes):
        backends = f"backends = {json.dumps(origin.endpoint.authority)}"
        bodies = {name: f"routes = [{json.dumps(text)}]\n{backends}" for name, text in routes.items()}
        await write_all(declaring.consul, lambda name: f"kv/routes/{name}", bodies)

    await check(pylb, write)
