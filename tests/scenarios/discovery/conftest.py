import asyncio
import contextlib
import time
from dataclasses import dataclass, field

import aiohttp
import pytest

from pylb.discovery.guard import Guard
from pylb.discovery.pipeline import Pipeline
from pylb.discovery.sources.consul.feed import ConsulFeed
from pylb.discovery.sources.consul.provider import ConsulProvider
from pylb.discovery.status import DiscoveryStatus
from pylb.discovery.watch import Watch
from tests.discovery.pipelines import make_pipeline
from tests.registries import consul_at


@dataclass
class Observer:
    """The pipeline of one service, and when it delivered what."""

    service: str
    url: str
    http: aiohttp.ClientSession
    pipeline: Pipeline = None
    delivered: list = field(default_factory=list)
    moments: list = field(default_factory=list)

    def deliver(self, snapshot):
        self.delivered.append(snapshot)
        self.moments.append(time.monotonic())

    @property
    def names(self):
        """The instances that take requests now."""
        return {e.id for e in self.delivered[-1].endpoints} if self.delivered else None

    @property
    def reasons(self):
        """Why others take none."""
        return {x.endpoint.id: x.reason for x in self.delivered[-1].excluded}

    async def put(self, path, **body):
        async with self.http.put(f"{self.url}/v1/{path}", json=body) as response:
            assert response.status == 200, await response.text()

    async def register(self, name, port, **body):
        await self.put(
            "agent/service/register", ID=name, Name=self.service, Address="127.0.0.1", Port=port, **body
        )

    async def deregister(self, name):
        await self.put(f"agent/service/deregister/{name}")


@pytest.fixture
async def observe():
    """Watch a service on a Consul agent, as pylb does."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(agent, service, *, token=None, tags=(), own_queries=None, **guard):
            http = await stack.enter_async_context(
                aiohttp.ClientSession(headers={"X-Consul-Token": agent.token})
            )
            observer = Observer(service, agent.url, http)
            status = DiscoveryStatus(service)
            settings = consul_at(agent.url, token=token)
            feed = await stack.enter_async_context(ConsulFeed(settings, own_queries=own_queries))
            stack.push_async_callback(ended, asyncio.get_running_loop().create_task(feed.run()))
            provider = ConsulProvider(feed, service, status=status, tags=tags)
            observer.pipeline = make_pipeline(
                Watch(provider, status),
                lambda state, _: observer.deliver(state),
                guard=Guard(status.guards, **guard),
            )
            task = asyncio.get_running_loop().create_task(observer.pipeline.run())
            stack.push_async_callback(ended, task)
            return observer

        yield start


async def ended(task):
    assert not task.done()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
