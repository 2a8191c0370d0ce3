import asyncio
from contextlib import aclosing

import pytest

from pylb.clients.consul import ConsulClient, ConsulError
from pylb.clients.consul_agent import ConsulAgent
from pylb.discovery.sources.consul.feed import ConsulFeed
from pylb.discovery.sources.consul.names import HINTED, ServiceNames
from pylb.registry.embedded import DevRegistry
from pylb.runtime.lifecycle import TaskScope, keep_running
from tests.registries import consul_at
from tests.until import until


@pytest.fixture
async def names():
    """Names with a clock that the test sets."""
    made = ServiceNames(lambda: made.now)
    made.now = 0.0
    return made


async def until_error(names):
    async for _ in names:
        pass


@pytest.mark.parametrize("own_queries", [8, 0])
async def test_the_names_of_all_services_are_followed(own_queries):
    registry = DevRegistry()
    await registry.start()
    options = consul_at(f"http://{registry.address}")
    feed = ConsulFeed(options, own_queries=own_queries, follows_names=True)
    async with feed, TaskScope("test") as scope, ConsulClient(options) as client:
        keep_running(feed.run, name="feed", scope=scope)
        with feed.subscribe("other"):
            async with aclosing(feed.names()) as names:
                assert await anext(names) == frozenset()
                await ConsulAgent(client).register({"ID": "a", "Name": "web", "Port": 80})
                assert await anext(names) == {"web"}
                await registry.stop()
                with pytest.raises(ConsulError):
                    await until_error(names)


async def test_the_shared_queries_continue_the_names_when_they_begin():
    registry = DevRegistry()
    await registry.start()
    options = consul_at(f"http://{registry.address}")
    feed = ConsulFeed(options, own_queries=0, follows_names=True)
    async with feed, TaskScope("test") as scope, ConsulClient(options) as client:
        keep_running(feed.run, name="feed", scope=scope)
        async with aclosing(feed.names()) as names:
            await ConsulAgent(client).register({"ID": "a", "Name": "web", "Port": 80})
            assert await anext(names) == {"web"}
            with feed.subscribe("web"):
                assert await anext(names) == {"web"}
                await until(lambda: feed.settled)
                await ConsulAgent(client).register({"ID": "b", "Name": "api", "Port": 80})
                async with asyncio.timeout(5):
                    while await anext(names) != {"web", "api"}:
                        pass
    await registry.stop()


async def test_hints_are_used_until_a_list_confirms_them_or_for_some_time(names):
    async with aclosing(names.watch()) as watch:
        names.on_hint({"early"})
        names.on_list(["web", "consul"])
        assert await anext(watch) == {"web", "early"}
        names.on_hint({"web", "consul"})
        names.on_list(["web", "early"])
        assert await anext(watch) == {"web", "early"}
        names.on_hint({"never"})
        assert await anext(watch) == {"web", "early", "never"}
        names.now = HINTED
        names.on_list(["web"])
        assert await anext(watch) == {"web"}


async def test_a_hint_alone_is_no_list_and_an_error_is_raised_once(names):
    async with aclosing(names.watch()) as watch:
        names.on_hint({"web"})
        names.on_error(OSError("no answer"))
        with pytest.raises(ConsulError, match="no answer"):
            await anext(watch)
    async with aclosing(names.watch()) as watch:
        names.on_list(["web"])
        assert await anext(watch) == {"web"}


async def test_a_service_that_has_just_been_registered_is_a_hint_before_it_is_listed(monkeypatch):
    registry = DevRegistry()
    await registry.start()
    options = consul_at(f"http://{registry.address}")
    feed = ConsulFeed(options, own_queries=0, follows_names=True)
    async with feed, TaskScope("test") as scope, ConsulClient(options) as client:
        keep_running(feed.run, name="feed", scope=scope)
        with feed.subscribe("other"):
            await until(lambda: feed.settled)
            hinted = []
            monkeypatch.setattr(feed._names, "on_hint", hinted.append)
            check = {"TTL": "1h", "Status": "passing"}
            await ConsulAgent(client).register({"ID": "a", "Name": "web", "Port": 80, "Check": check})
            await until(lambda: {"web"} in hinted)
    await registry.stop()
