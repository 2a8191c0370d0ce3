"""A real Consul that is killed, and comes back knowing nothing."""

import asyncio
import time

import pytest

from tests.until import until

pytestmark = pytest.mark.slow


async def start_with_three(agent, observe, **guard):
    web = await observe(agent, "web", **guard)
    for number in (1, 2, 3):
        await web.register(f"web-{number}", 9000 + number)
    await until(lambda: web.names == {"web-1", "web-2", "web-3"})
    web.delivered[:-1] = []
    return web


async def restart_empty(agent, web):
    await asyncio.to_thread(agent.kill)
    await until(lambda: web.pipeline.status.error)
    await asyncio.to_thread(agent.start)
    await until(lambda: web.pipeline.status.retained == 3)


@pytest.mark.parametrize("own_queries", [1, 0], ids=["own query", "shared queries"])
async def test_all_instances_return_one_by_one(own_consul, observe, own_queries):
    web = await start_with_three(own_consul, observe, own_queries=own_queries)
    await restart_empty(own_consul, web)
    for number in (1, 2, 3):
        await web.register(f"web-{number}", 9000 + number)
        await asyncio.sleep(0.05)
    await until(lambda: web.pipeline.status.retained == 0, seconds=2)
    assert all({e.id for e in s.endpoints} == {"web-1", "web-2", "web-3"} for s in web.delivered)
    assert web.pipeline.status.guards["flap_absorbed"] == 3


async def test_other_instances_register_instead(own_consul, observe):
    """Within two seconds of their registration the pool is what the registry says, and never less."""
    web = await start_with_three(own_consul, observe)
    await restart_empty(own_consul, web)
    for number in (4, 5, 6):
        await web.register(f"web-{number}", 9000 + number)
    registered = time.monotonic()
    await until(lambda: web.names == {"web-4", "web-5", "web-6"})
    assert web.moments[-1] - registered < 2
    assert all(len(s.endpoints) >= 3 for s in web.delivered)


async def test_few_instances_return(own_consul, observe):
    web = await start_with_three(own_consul, observe, empty_guard=2.0)
    await restart_empty(own_consul, web)
    await web.register("web-1", 9001)
    registered = time.monotonic()
    await until(lambda: web.names == {"web-1"})
    assert 1.9 < web.moments[-1] - registered < 4


async def test_no_instance_returns(own_consul, observe):
    web = await start_with_three(own_consul, observe, empty_guard=0.2)
    await restart_empty(own_consul, web)
    answered = web.pipeline.status.answered
    await web.put("agent/service/register", Name="other", Port=9009)
    end = time.monotonic() + 0.5
    await until(lambda: time.monotonic() > end)
    assert web.pipeline.status.answered >= answered
    assert web.names == {"web-1", "web-2", "web-3"}


@pytest.mark.parametrize(("own_queries", "errors"), [(1, 6), (0, 0)], ids=["own query", "shared queries"])
async def test_a_restarted_registry_is_found_within_a_second(own_consul, observe, own_queries, errors):
    web = await start_with_three(own_consul, observe, own_queries=own_queries)
    await asyncio.to_thread(own_consul.kill)
    await until(lambda: web.pipeline.status.errors > errors, seconds=20)
    await asyncio.to_thread(own_consul.start)
    ready = time.monotonic()
    await until(lambda: not web.pipeline.status.error)
    assert time.monotonic() - ready < 2
