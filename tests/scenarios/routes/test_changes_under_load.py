"""Routes that change all the time while clients do not stop: no request fails."""

import asyncio

import pytest

from tests.scenarios.routes.catalog import answered

pytestmark = pytest.mark.slow

CHANGES = 500
"""Changes by each source."""


async def test_routes_change_500_times_by_keys_and_500_times_by_tags_and_no_request_fails(program, declaring):
    pylb = program("--consul", declaring.consul.http, "--catalog", "--routes", "consul:routes")
    base, cart = await pylb.origin(), await pylb.origin()
    await declaring.key("base", f'routes = [""]\nbackends = "{base.endpoint.authority}"')
    await pylb.start()
    await answered(pylb, "/", "web-1")
    workers = {p.pid for p in pylb.processes("worker")}
    async with pylb.clients(8) as clients:
        await clients.more()

        async def by_key():
            for number in range(CHANGES):
                actions = f"response-set:X-Number={number}"
                backends = f'backends = "{base.endpoint.authority}"'
                await declaring.key("base", f'routes = ["{actions}", "/{number}"]\n{backends}')
                await clients.more(1)

        async def by_tag():
            for number in range(CHANGES):
                await declaring.register(
                    "cart", cart, tags=[f"urlprefix-/cart/{number}", "lb_route=shop.example"]
                )
                await clients.more(1)

        await asyncio.gather(by_key(), by_tag())
        await answered(pylb, f"/cart/{CHANGES - 1}", "web-2", host="other.example")
        await clients.more()
    assert clients.failures == {}
    assert set(clients.answers) <= {"web-1", "web-2"}
    assert {p.pid for p in pylb.processes("worker")} == workers
