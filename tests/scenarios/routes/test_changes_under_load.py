"""Routes that change all the time while wrk sends requests to them: no request fails."""

import asyncio
import os

import aiohttp
import pytest

from bench.lib.workload import Workload, service_host
from bench.lib.wrk import Wrk
from tests.scenarios.routes.catalog import answered

pytestmark = pytest.mark.slow

CHANGES = 500
"""Changes by each source."""

BY_KEY, BY_TAG = service_host(1), service_host(2)
"""The hosts to which wrk sends its requests in turn."""

LOAD = Workload("routes", "GET of two hosts in turn", "/", connections=16, services=2)
SECONDS = 600
"""wrk is stopped after the last change."""


async def test_routes_change_500_times_by_keys_and_500_times_by_tags_and_no_request_fails(program, declaring):
    pylb = program("--consul", declaring.consul.http, "--catalog", "--routes", "consul:routes")
    base, cart = await pylb.origin(), await pylb.origin()

    async def by_key(number):
        routes = f'routes = ["{BY_KEY} response-set:X-Number={number}", "/{number}"]'
        await declaring.key("base", f'{routes}\nbackends = "{base.endpoint.authority}"')

    async def by_tag(number):
        route = f"lb_route={BY_TAG} response-set:X-Number={number}"
        await declaring.register("cart", cart, tags=[route, f"urlprefix-/cart/{number}"])

    await by_key(0)
    await by_tag(0)
    await pylb.start()
    await answered(pylb, "/", "web-1", host=BY_KEY)
    await answered(pylb, "/", "web-2", host=BY_TAG)
    processes = {p.pid for p in pylb.family()}
    load = Wrk(pylb.url, LOAD, SECONDS, cores=sorted(os.sched_getaffinity(0)))
    try:
        await asyncio.gather(changes(pylb, BY_KEY, by_key), changes(pylb, BY_TAG, by_tag))
    finally:
        load.stop()
        counted = await asyncio.to_thread(load.finish)
    assert (counted.bad_status, counted.broken, counted.timed_out) == (0, 0, 0)
    assert counted.requests > 2 * CHANGES
    assert {p.pid for p in pylb.family()} == processes
    await answered(pylb, f"/cart/{CHANGES}", "web-2", host="other.example")
    await answered(pylb, f"/cart/{CHANGES - 1}", "", 404, host="other.example")


async def changes(pylb, host, change):
    """Change a route again as soon as a response shows the change before."""
    async with aiohttp.ClientSession(headers={"Host": host}) as session:
        for number in range(1, CHANGES + 1):
            await change(number)
            async with asyncio.timeout(20):
                while await shown(session, pylb.url) != str(number):
                    pass


async def shown(session, url):
    async with session.get(url) as answer:
        assert answer.status == 200
        return answer.headers["X-Number"]
