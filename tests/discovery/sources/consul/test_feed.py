"""Services that share their blocking queries, on the embedded registry and on a scripted server."""

import asyncio
import contextlib

import pytest

from pylb.clients.consul import ConsulClient, ConsulError
from pylb.clients.consul_agent import ConsulAgent
from pylb.discovery.sources.consul import feed as consul_feed
from pylb.discovery.sources.consul import shared_queries
from pylb.discovery.sources.consul.feed import CONNECTIONS, ConsulFeed
from pylb.registry.embedded import DevRegistry
from tests.clients.scripted_consul import Answer
from tests.registries import consul_at
from tests.until import until

TTL = {"CheckID": "ttl:web", "TTL": "1h", "Status": "passing"}


@pytest.fixture
async def registry():
    made = DevRegistry()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def agent(registry):
    async with ConsulClient(consul_at(f"http://{registry.address}")) as client:
        yield ConsulAgent(client)


@pytest.fixture
async def follow():
    """Make a feed that runs."""
    tasks = []

    def start(url, **options):
        feed = ConsulFeed(consul_at(url), **options)
        tasks.append(asyncio.get_running_loop().create_task(feed.run()))
        return feed

    yield start
    for task in tasks:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
async def shared(registry, follow):
    """A feed whose services have no query of their own."""
    return follow(f"http://{registry.address}", own_queries=0)


def ids(answer):
    return sorted(item["Service"]["ID"] for item in answer.items)


async def put(agent, path, **query):
    await agent._client.http.put(lambda response: response, path, params=list(query.items()))


async def remove_check(agent):
    await put(agent, "/v1/agent/check/deregister/service:web-2")


CHANGES = {
    "registered": lambda agent: agent.register({"ID": "web-2", "Name": "web", "Port": 81}),
    "registered with a check": lambda agent: agent.register(
        {"ID": "web-2", "Name": "web", "Port": 81, "Check": {"TTL": "1h"}}
    ),
    "another port": lambda agent: agent.register({"ID": "web-1", "Name": "web", "Port": 99, "Check": TTL}),
    "other meta data": lambda agent: agent.register(
        {"ID": "web-1", "Name": "web", "Port": 80, "Meta": {"v": "2"}, "Check": TTL}
    ),
    "critical": lambda agent: agent.update_check("ttl:web", "critical", "ill"),
    "warning": lambda agent: agent.update_check("ttl:web", "warning", "so-so"),
    "deregistered": lambda agent: agent.deregister("web-1"),
    "maintenance": lambda agent: put(agent, "/v1/agent/service/maintenance/web-1", enable="true"),
    "maintenance of the node": lambda agent: put(agent, "/v1/agent/maintenance", enable="true"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
async def test_every_change_of_a_service_is_detected(agent, shared, change):
    await agent.register({"ID": "web-1", "Name": "web", "Port": 80, "Check": TTL})
    with shared.subscribe("web") as web:
        first = await web.health()
        waiting = asyncio.get_running_loop().create_task(web.health(index=first.index))
        await change(agent)
        second = await asyncio.wait_for(waiting, 5)
    assert second.items != first.items


async def test_the_removal_of_an_instance_without_its_check_is_detected(agent, shared, monkeypatch):
    """The list of instances is as old as before the instance came, and does not differ when it is gone."""
    monkeypatch.setattr(shared_queries, "LATER", 0.3)
    await agent.register({"ID": "web-1", "Name": "web", "Port": 80, "Check": TTL})
    with shared.subscribe("web") as web, shared.subscribe("api") as api:

        async def until_listed(subscription, *expected):
            async with asyncio.timeout(shared_queries.LATER + 10):
                answer = await subscription.health()
                while ids(answer) != list(expected):
                    answer = await subscription.health(index=answer.index)

        await until_listed(web, "web-1")
        await CHANGES["registered with a check"](agent)
        await until_listed(web, "web-1", "web-2")
        await remove_check(agent)
        await agent.register({"ID": "api-1", "Name": "api", "Port": 80, "Check": {"TTL": "1h"}})
        await until_listed(api, "api-1")
        waiting = asyncio.get_running_loop().create_task(until_listed(web, "web-1"))
        await until(lambda: not web.changed.is_set())
        await agent.deregister("web-2")
        await waiting


async def test_an_unchanged_service_is_not_queried(agent, shared):
    for name in ("web", "api"):
        await agent.register({"ID": f"{name}-1", "Name": name, "Port": 80})
    with shared.subscribe("web") as web, shared.subscribe("api") as api:
        loop = asyncio.get_running_loop()
        indexes = [(await each.health()).index for each in (web, api)]
        waiting = [
            loop.create_task(each.health(index=index))
            for each, index in zip((web, api), indexes, strict=True)
        ]
        await agent.register({"ID": "api-2", "Name": "api", "Port": 81})
        assert ids(await asyncio.wait_for(waiting[1], 5)) == ["api-1", "api-2"]
        assert not waiting[0].done()
        waiting[0].cancel()


async def test_a_wait_ends_without_a_change(agent, shared):
    await agent.register({"ID": "web-1", "Name": "web", "Port": 80})
    with shared.subscribe("web") as web:
        first = await web.health()
        assert ids(await asyncio.wait_for(web.health(index=first.index, wait=0.05), 5)) == ["web-1"]


async def test_the_first_services_have_separate_queries_and_free_ones_are_reused(registry, agent):
    async with ConsulFeed(consul_at(f"http://{registry.address}"), own_queries=1) as feed:
        for name in ("web", "api"):
            with feed.subscribe(name) as subscription:
                await agent.register({"ID": f"{name}-1", "Name": name, "Port": 80})
                assert ids(await asyncio.wait_for(subscription.health(), 5)) == [f"{name}-1"]
                with feed.subscribe("shop") as other, pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.02):
                        await other.health()  # nobody runs the feed


async def test_a_hundred_services_use_at_most_sixteen_connections(registry, follow, monkeypatch):
    most = 0
    original = consul_feed.ConsulClient

    def counting(settings, connections):
        nonlocal most
        most = max(most, connections)
        return original(settings, connections)

    monkeypatch.setattr(consul_feed, "ConsulClient", counting)
    feed = follow(f"http://{registry.address}")
    with contextlib.ExitStack() as stack:
        subscriptions = [stack.enter_context(feed.subscribe(f"web-{n}")) for n in range(100)]
        answers = await asyncio.wait_for(asyncio.gather(*(each.health() for each in subscriptions)), 10)
    assert [answer.items for answer in answers] == [[]] * 100
    assert most == CONNECTIONS < 16


async def test_an_outage_of_the_agent_is_reported_once_per_service(agent, registry, shared):
    await agent.register({"ID": "web-1", "Name": "web", "Port": 80})
    port = int(registry.address.rpartition(":")[2])
    with shared.subscribe("web") as web:
        first = await web.health()
        await registry.stop()
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(web.health(index=first.index), 5)
        waiting = asyncio.get_running_loop().create_task(web.health())
        await until(lambda: not shared.settled)
        again = DevRegistry()
        await again.start(port=port)
        assert (await asyncio.wait_for(waiting, 5)).items == []
        await again.stop()


async def test_a_feed_ends_although_queries_fail_during_its_cancellation(monkeypatch):
    asked = asyncio.Event()

    async def fail_when_cancelled(*_):
        try:
            asked.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ConsulError("the connection broke") from None

    monkeypatch.setattr(shared_queries.ConsulCatalog, "checks", fail_when_cancelled)
    feed = ConsulFeed(consul_at("http://127.0.0.1:9"), own_queries=0)
    task = asyncio.get_running_loop().create_task(feed.run())
    with feed.subscribe("web"):
        await asked.wait()
        task.cancel()
        await asyncio.wait([task], timeout=5)
    assert task.cancelled()


async def test_an_invalid_catalog_is_an_error_of_each_service(scripted, follow):
    feed = follow(scripted.url, own_queries=0)
    scripted.then(*[Answer(body=b"nonsense")] * 3)
    with feed.subscribe("web") as web, pytest.raises(ConsulError, match="cannot"):
        await asyncio.wait_for(web.health(), 5)
