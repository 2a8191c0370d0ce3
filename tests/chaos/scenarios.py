"""What can happen, one function each: do it under load, check the promise, return what was counted."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.load import CLIENTS, Load
from tests.chaos.stage import Stage

Scenario = Callable[[Path], Awaitable["Row"]]
SCENARIOS: dict[str, Scenario] = {}


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    event: str
    promise: str
    sent: int
    failed: str
    retried: int
    gap: float
    """Seconds."""


def scenario(run: Scenario) -> Scenario:
    SCENARIOS[run.__name__] = run
    return run


async def row(stage: Stage, load: Load, event: str, promise: str) -> Row:
    get, post = load.failed("GET"), load.failed("POST")
    retried = int(await stage.metric("pylb_upstream_retries_total", service="web"))
    return Row(event, promise, load.sent, f"{get} GET, {post} POST", retried, load.gap)


@scenario
async def killed(directory: Path) -> Row:
    async with Stage(directory) as stage:
        async with stage.load() as load:
            await load.more(300)
            stage.backends[0].signal(signal.SIGKILL)
            moment = time.monotonic()
            await load.go_on(moment + 2)
        assert load.failed("GET") == 0
        assert load.failed("POST") <= CLIENTS
        assert load.slowest_after(moment + 1) < 1.0
        return await row(
            stage,
            load,
            "kill -9 of one backend of three, passing for Consul all the while",
            "no GET fails; of the POSTs only those that it had been sent",
        )


@scenario
async def stopped(directory: Path) -> Row:
    async with Stage(directory, "--response-timeout", "1s") as stage:
        async with stage.load() as load:
            await load.more(300)
            stage.backends[0].signal(signal.SIGSTOP)
            await load.more(2000)
            stage.backends[0].signal(signal.SIGCONT)
        assert load.failed("GET") == 0
        assert load.gap < 2.0
        return await row(
            stage,
            load,
            "one backend of three hangs (SIGSTOP), --response-timeout 1s",
            "no GET fails; a POST may, after the time-out",
        )


@scenario
async def broken(directory: Path) -> Row:
    async with Stage(directory, "--eject-time", "1s") as stage:
        async with stage.load() as load:
            await load.more(300)
            stage.backends[0].behave("broken")
            await stage.until(lambda: is_state(stage, "ejected", 1))
            failed = load.failed("GET") + load.failed("POST")
            stage.backends[0].behave("good")
            await stage.until(lambda: is_state(stage, "up", 3))
            await load.more(300)
        assert failed <= 5 + CLIENTS
        return await row(
            stage,
            load,
            "one backend of three answers 500 to everything, then recovers",
            "it is ejected after 5 failures in a row, and returns",
        )


@scenario
async def late(directory: Path) -> Row:
    async with Stage(directory, "--response-timeout", "500ms", "--eject-time", "1s") as stage:
        async with stage.load() as load:
            await load.more(300)
            stage.backends[0].behave("late")
            await stage.until(lambda: is_state(stage, "ejected", 1))
            await load.more(1000)
        assert load.failed("GET") == 0
        return await row(
            stage,
            load,
            "one backend of three takes 30 s for an answer, --response-timeout 500ms",
            "no GET fails; it is ejected after 5 answers that came too late",
        )


@scenario
async def resetting(directory: Path) -> Row:
    async with Stage(directory, "--suspect-time", "200ms") as stage:
        async with stage.load() as load:
            await load.more(300)
            stage.backends[0].behave("resetting")
            await load.more(1500)
            stage.backends[0].behave("good")
            await stage.until(lambda: is_state(stage, "up", 3), seconds=30)
            await load.more(300)
        assert load.failed("GET") == 0
        assert await stage.metric("pylb_pool_events_total", event="suspect") >= 1
        return await row(
            stage,
            load,
            "one backend of three resets every other request, then recovers",
            "no GET fails; it is suspect for longer and longer, and returns",
        )


@scenario
async def all_failing(directory: Path) -> Row:
    async with Stage(directory, "--retry-on", "connect,reset,timeout,503") as stage:
        async with stage.load() as load:
            for backend in stage.backends:
                backend.behave("busy")
            await load.more(2000)
        tries = await stage.metric("pylb_upstream_attempts_total", service="web")
        assert tries <= load.sent * 1.2 + 2 * CLIENTS
        assert await stage.state("ejected") <= 1
        return await row(
            stage,
            load,
            "all backends answer 503, which --retry-on names",
            f"at most 20 % more tries than requests (and 10): {tries / load.sent - 1:.1%}; never all ejected",
        )


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
            "Consul is killed, comes back empty, and is told of the backends again",
            "nothing fails: an empty answer after a loss of contact is not believed",
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
async def restarted_without_registry(directory: Path) -> Row:
    async with Stage(directory, "--state-dir", str(directory / "state")) as stage:
        stage.consul.kill()
        stage.end_pylb()
        seconds = await stage.start_pylb()
        async with stage.load() as load:
            await load.more(300)
        assert load.failed("GET") + load.failed("POST") == 0
        web = (await stage.ready())["services"]["web"]
        assert web["age_seconds"] > 0
        assert web["doubt"].startswith("kept on disk")
        assert await stage.metric("pylb_discovery_age_seconds", service="web") > 0
        return await row(
            stage,
            load,
            "pylb is killed and started again while Consul is down, with --state-dir",
            f"it serves from what it kept, {seconds:.1f} s after its start, and says how old that is",
        )


async def is_state(stage: Stage, state: str, number: int) -> bool:
    return await stage.state(state) == number


async def is_held(stage: Stage, number: int) -> bool:
    web = (await stage.ready())["services"]["web"]
    return web["held"] == number and not web["error"]
