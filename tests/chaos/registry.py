"""What can happen to the registry."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from tests.chaos.scenario import Row, is_held, row, scenario
from tests.chaos.stage import Stage


@scenario
async def registry_killed(directory: Path) -> Row:
    async with Stage(directory) as stage:
        async with stage.load() as load:
            await load.more(300)
            stage.consul.kill()
            await load.more(1000)
        assert load.failed("GET") + load.failed("POST") == 0
        return await row(stage, load, "Consul is killed", "nothing fails, the pool stays as it is")


@scenario
async def registry_empty(directory: Path) -> Row:
    async with Stage(directory) as stage:
        async with stage.load() as load:
            await load.more(300)
            await asyncio.to_thread(stage.consul.restart)
            await stage.until(lambda: is_held(stage, 3))
            await load.more(300)
            await stage.register()
            await stage.until(lambda: is_held(stage, 0), seconds=30)
            await load.more(300)
        assert load.failed("GET") + load.failed("POST") == 0
        return await row(
            stage,
            load,
            "Consul is killed, restarts empty, and the backends are registered again",
            "nothing fails: an empty answer after a loss of contact is not trusted",
        )


@scenario
async def registry_hangs(directory: Path) -> Row:
    async with Stage(directory) as stage:
        async with stage.load() as load:
            await load.more(300)
            stage.consul.signal(signal.SIGSTOP)
            await load.more(1000)
            stage.consul.signal(signal.SIGCONT)
        assert load.failed("GET") + load.failed("POST") == 0
        return await row(stage, load, "Consul hangs (SIGSTOP)", "nothing fails, the pool stays as it is")


@scenario
async def registry_flaps(directory: Path) -> Row:
    async with Stage(directory) as stage:
        async with stage.load() as load:
            await load.more(300)
            for _ in range(30):
                await stage.deregister(stage.backends[0].name)
                await load.more(20)
                await stage.register()
                await load.more(20)
        assert load.failed("GET") + load.failed("POST") == 0
        return await row(
            stage,
            load,
            "one backend of three is deregistered and registered again, 30 times",
            "nothing fails: its requests in flight finish",
        )
