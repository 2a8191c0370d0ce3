"""What can happen to backends."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from tests.chaos.environment import Environment
from tests.chaos.load import CLIENTS
from tests.chaos.network import Network
from tests.chaos.scenario import Row, is_state, row, scenario


@scenario
async def killed(directory: Path) -> Row:
    async with Environment(directory) as environment:
        async with environment.load() as load:
            await load.more(300)
            environment.backends[0].signal(signal.SIGKILL)
            moment = time.monotonic()
            await load.continue_until(moment + 2)
        assert load.failed("GET") == 0
        assert load.failed("POST") <= CLIENTS
        assert load.slowest_after(moment + 1) < 1.0
        return await row(
            environment,
            load,
            "kill -9 of one backend of three, while Consul reports it as passing",
            "no GET fails; only POSTs that were already sent to it fail",
        )


@scenario
async def stopped(directory: Path) -> Row:
    async with Environment(directory, "--response-timeout", "1s") as environment:
        async with environment.load() as load:
            await load.more(300)
            environment.backends[0].signal(signal.SIGSTOP)
            await load.more(2000)
            environment.backends[0].signal(signal.SIGCONT)
        assert load.failed("GET") == 0
        assert load.gap < 2.0
        return await row(
            environment,
            load,
            "one backend of three hangs (SIGSTOP), --response-timeout 1s",
            "no GET fails; a POST may, after the time-out",
        )


@scenario
async def broken(directory: Path) -> Row:
    async with Environment(directory, "--eject-time", "1s") as environment:
        async with environment.load() as load:
            await load.more(300)
            environment.backends[0].behave("broken")
            await environment.until(lambda: is_state(environment, "ejected", 1))
            failed = load.failed("GET") + load.failed("POST")
            environment.backends[0].behave("good")
            await environment.until(lambda: is_state(environment, "up", 3))
            await load.more(300)
        assert failed <= 5 + CLIENTS
        return await row(
            environment,
            load,
            "one backend of three answers 500 to everything, then recovers",
            "it is ejected after 5 failures in a row, and restored later",
        )


@scenario
async def late(directory: Path) -> Row:
    async with Environment(directory, "--response-timeout", "500ms", "--eject-time", "1s") as environment:
        async with environment.load() as load:
            await load.more(300)
            environment.backends[0].behave("late")
            await environment.until(lambda: is_state(environment, "ejected", 1))
            await load.more(300)
            environment.backends[0].behave("good")
            await environment.until(lambda: is_state(environment, "up", 3))
            await load.more(700)
        assert load.failed("GET") == 0
        return await row(
            environment,
            load,
            "one backend of three takes 30 s to respond, --response-timeout 500ms, then recovers",
            "no GET fails; it is ejected after 5 timeouts, and restored later",
        )


@scenario
async def resetting(directory: Path) -> Row:
    async with Environment(directory, "--suspect-time", "200ms") as environment:
        async with environment.load() as load:
            await load.more(300)
            environment.backends[0].behave("resetting")
            await load.more(1500)
            environment.backends[0].behave("good")
            await environment.until(lambda: is_state(environment, "up", 3), seconds=30)
            await load.more(300)
        assert load.failed("GET") == 0
        assert await environment.metric("pylb_pool_events_total", event="suspect") >= 1
        return await row(
            environment,
            load,
            "one backend of three resets every other request, then recovers",
            "no GET fails; it is suspect for longer each time, and restored later",
        )


@scenario
async def all_failing(directory: Path) -> Row:
    async with Environment(directory, "--retry-on", "connect,reset,timeout,503") as environment:
        before = await environment.metric("pylb_upstream_attempts_total", service="web")
        async with environment.load() as load:
            for backend in environment.backends:
                backend.behave("busy")
            await load.more(2000)
        attempts = await environment.metric("pylb_upstream_attempts_total", service="web") - before
        assert attempts <= load.sent * 1.2
        assert await environment.state("ejected") < 3
        return await row(
            environment,
            load,
            "all backends answer 503, which --retry-on lists",
            f"at most 20 % more attempts than requests: {attempts / load.sent - 1:.1%}; never all ejected",
        )


@scenario
async def blackholed(directory: Path) -> Row:
    with Network() as network:
        async with Environment(
            directory, "--connect-timeout", "500ms", "--response-timeout", "1s", network=network
        ) as environment:
            async with environment.load() as load:
                await load.more(300)
                network.cut(0)
                await load.more(2000)
                network.mend(0)
                await environment.until(lambda: is_state(environment, "up", 3), seconds=60)
                await load.more(300)
            assert load.failed("GET") == 0
            assert load.failed("POST") <= CLIENTS
            return await row(
                environment,
                load,
                "the network drops all packets of one backend of three, --response-timeout 1s, then no more",
                "no GET fails; only POSTs that were already sent to it fail",
            )


@scenario
async def half_closed(directory: Path) -> Row:
    async with Environment(directory) as environment:
        async with environment.load() as load:
            await load.more(300)
            environment.backends[0].behave("half-closed")
            await load.more(1500)
        assert load.failed("GET") == 0
        return await row(
            environment,
            load,
            "one backend of three ends its side of each connection instead of responding",
            "no GET fails; it is suspect for longer each time",
        )


@scenario
async def talking_nonsense(directory: Path) -> Row:
    async with Environment(directory) as environment:
        async with environment.load() as load:
            await load.more(300)
            environment.backends[0].behave("nonsense")
            await load.more(1500)
        assert load.failed("GET") == 0
        return await row(
            environment,
            load,
            "one backend of three answers with bytes that are not HTTP",
            "no GET fails; it is suspect for longer each time",
        )
