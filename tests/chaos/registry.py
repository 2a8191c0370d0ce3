"""What can happen to the registry."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from tests.chaos.environment import Environment
from tests.chaos.scenario import Row, is_held, row, scenario


@scenario
async def registry_killed(directory: Path) -> Row:
    async with Environment(directory) as environment:
        async with environment.load() as load:
            await load.more(300)
            environment.consul.kill()
            await load.more(1000)
        assert load.failed("GET") + load.failed("POST") == 0
        return await row(environment, load, "Consul is killed", "nothing fails, the pool stays as it is")


@scenario
async def registry_empty(directory: Path) -> Row:
    async with Environment(directory) as environment:
        async with environment.load() as load:
            await load.more(300)
            await asyncio.to_thread(environment.consul.restart)
            await environment.until(lambda: is_held(environment, 3))
            await load.more(300)
            await environment.register()
            await environment.until(lambda: is_held(environment, 0), seconds=30)
            await load.more(300)
        assert load.failed("GET") + load.failed("POST") == 0
        return await row(
            environment,
            load,
            "Consul is killed, restarts empty, and the backends are registered again",
            "nothing fails: an empty answer after a loss of contact is not trusted",
        )


@scenario
async def registry_hangs(directory: Path) -> Row:
    async with Environment(directory) as environment:
        async with environment.load() as load:
            await load.more(300)
            environment.consul.signal(signal.SIGSTOP)
            await load.more(1000)
            environment.consul.signal(signal.SIGCONT)
        assert load.failed("GET") + load.failed("POST") == 0
        return await row(
            environment, load, "Consul hangs (SIGSTOP)", "nothing fails, the pool stays as it is"
        )


@scenario
async def registry_flaps(directory: Path) -> Row:
    async with Environment(directory) as environment:
        async with environment.load() as load:
            await load.more(300)
            for _ in range(30):
                await environment.deregister(environment.backends[0].name)
                await load.more(20)
                await environment.register()
                await load.more(20)
        assert load.failed("GET") + load.failed("POST") == 0
        return await row(
            environment,
            load,
            "one backend of three is deregistered and registered again, 30 times",
            "nothing fails: its requests in flight finish",
        )
