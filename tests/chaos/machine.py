"""What can happen to pylb itself and to the machine that it runs on."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

from tests.chaos.environment import Environment
from tests.chaos.load import CLIENTS
from tests.chaos.scenario import Row, is_state, row, scenario
from tests.chaos.tmpfs import Tmpfs
from tests.components import faketime_library


@scenario
async def restarted_without_registry(directory: Path) -> Row:
    async with Environment(directory, "--state-dir", str(directory / "state")) as environment:
        environment.consul.kill()
        environment.end_pylb()
        seconds = await environment.start_pylb()
        async with environment.load() as load:
            await load.more(300)
        assert load.failed("GET") + load.failed("POST") == 0
        web = (await environment.ready())["services"]["web"]
        assert web["age_seconds"] > 0
        assert web["untrusted_reason"].startswith("restored from disk")
        assert await environment.metric("pylb_discovery_age_seconds", service="web") > 0
        return await row(
            environment,
            load,
            "pylb is killed and started again while Consul is down, with --state-dir",
            f"it serves from the stored state, {seconds:.1f} s after its start, and reports its age",
        )


@scenario
async def worker_killed(directory: Path) -> Row:
    async with Environment(directory, "--workers", "2") as environment:
        async with environment.load() as load:
            await load.more(300)
            for _ in range(3):
                victim = environment.processes("worker")[0]
                victim.kill()
                await environment.until(
                    lambda gone=victim.pid: environment.has_two_workers_besides(gone), seconds=30
                )
                await load.more(300)
        assert load.failed("GET") + load.failed("POST") <= 3 * CLIENTS
        return await row(
            environment,
            load,
            "a worker of two is killed, three times",
            "only requests in flight in that worker fail: one per connection",
        )


@scenario
async def control_killed(directory: Path) -> Row:
    async with Environment(directory, "--workers", "2") as environment:
        async with environment.load() as load:
            await load.more(300)
            environment.processes("control")[0].kill()
            await load.more(300)
            await environment.deregister(environment.backends[0].name)
            await environment.until(lambda: is_state(environment, "up", 2), seconds=30)
            await load.more(300)
        assert load.failed("GET") + load.failed("POST") == 0
        return await row(
            environment,
            load,
            "the control process is killed, and a backend is deregistered meanwhile",
            "nothing fails; the next control detects it",
        )


@scenario
async def clock_jumps(directory: Path) -> Row:
    clock = directory / "clock"
    clock.write_text("+0")
    variables = {
        "LD_PRELOAD": str(faketime_library()),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        # A jump moves the wall clock; the monotonic one is called so because it does not take part.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    async with Environment(directory, variables=variables) as environment:
        async with environment.load() as load:
            await load.more(300)
            for jump in ("+3600", "-3600", "-864000", "+0"):
                clock.write_text(jump)
                await load.more(300)
                web = (await environment.ready())["services"]["web"]
                assert 0 <= web["age_seconds"] < 120
        assert load.failed("GET") + load.failed("POST") == 0
        assert load.slowest_after(load.started) < 1.0
        return await row(
            environment,
            load,
            "the clock jumps an hour forth, two back, ten days back",
            "nothing fails; no age or timeout depends on it",
        )


@scenario
async def disk_full(directory: Path) -> Row:
    with Tmpfs(directory / "small", size="1m") as disk:
        async with Environment(
            directory,
            *("--state-dir", str(disk.path / "state"), "--access-log", "combined"),
            output=disk.path / "output.log",
        ) as environment:
            async with environment.load() as load:
                await load.more(300)
                disk.fill()
                await load.more(1000)
                await environment.deregister(environment.backends[0].name)
                await environment.until(lambda: is_state(environment, "up", 2), seconds=30)
                await environment.until(lambda: has_dropped_lines(environment), seconds=30)
            assert load.failed("GET") + load.failed("POST") == 0
            return await row(
                environment,
                load,
                "the disk of --state-dir and of the log is full, and a backend is deregistered",
                "nothing fails; log lines are lost and counted, changes continue",
            )


@scenario
async def descriptors_exhausted(directory: Path) -> Row:
    limit = 160
    async with Environment(
        directory, "--workers", "1", under=("prlimit", f"--nofile={limit}")
    ) as environment:
        async with environment.load() as load:
            await load.more(300)
            idle = []
            for _ in range(2 * limit):
                with suppress(OSError):
                    idle.append(await asyncio.open_connection("127.0.0.1", environment.port))
            await load.more(1000)
            for _, writer in idle:
                writer.close()
            await load.more(300)
            assert await environment.serves()
        assert load.failed("GET") + load.failed("POST") == 0
        return await row(
            environment,
            load,
            f"{2 * limit} idle clients, and {limit} descriptors (RLIMIT_NOFILE)",
            "connected clients are served; further connections are refused",
        )


async def has_dropped_lines(environment: Environment) -> bool:
    return await environment.metric("pylb_access_log_lines_dropped_total") > 0
