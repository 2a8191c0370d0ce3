"""A process that hangs: it is a problem that operators see, and another one takes its place."""

import asyncio
import json
import os

import pytest

from tests.until import until

pytestmark = pytest.mark.slow


async def problems(pylb):
    return [each["text"] for each in json.loads((await pylb.get("/api/problems"))[1])]


@pytest.mark.logs_error("has sent no heartbeat")
@pytest.mark.logs_error("was killed by SIGABRT")
@pytest.mark.logs_error("Fatal Python error: Aborted")
async def test_a_hanging_worker_is_reported_and_replaced(program):
    pylb = program("--watchdog-timeout", "4s")
    await pylb.origin()
    await pylb.start()
    async with asyncio.timeout(20):
        while await problems(pylb):
            await asyncio.sleep(0.05)
    hung = pylb.processes("worker")[0]
    hung.suspend()
    shown = f"(pid {hung.pid}) has sent no heartbeat for"
    async with asyncio.timeout(20):
        while not any(shown in text for text in await problems(pylb)):
            await asyncio.sleep(0.05)
    await pylb.logged(rf"worker \d \(pid {hung.pid}\) has sent no heartbeat for 4.* s and is killed")
    await pylb.logged(rf"\(pid {hung.pid}\) was killed by SIGABRT; another one starts immediately")
    await pylb.logged(r"worker \d is serving", 3)
    assert await pylb.metric("pylb_restarts_total") == 1
    async with pylb.clients(8) as clients:
        await clients.more()
    assert clients.failures == {}
    async with asyncio.timeout(20):
        while any(shown in text for text in await problems(pylb)):
            await asyncio.sleep(0.05)
    (text,) = await problems(pylb)
    assert text.startswith("a hung process was replaced ")
    assert "worker/process.py" in "\n".join(pylb.lines), "the log has where it hung"


@pytest.mark.logs_error("has sent no heartbeat")
@pytest.mark.logs_error("was killed by SIGABRT")
@pytest.mark.logs_error("Fatal Python error: Aborted")
async def test_a_hanging_control_is_replaced(program):
    pylb = program("--watchdog-timeout", "4s")
    await pylb.origin()
    await pylb.start()
    (control,) = pylb.processes("control")
    control.suspend()
    await pylb.logged(rf"control \(pid {control.pid}\) has sent no heartbeat for .* and is killed")
    await until(lambda: [p for p in pylb.processes("control") if p.pid != control.pid], 20)
    async with asyncio.timeout(20):
        while not await answers(pylb):
            await asyncio.sleep(0.05)
    assert len(pylb.processes("worker")) == 2


@pytest.mark.logs_error("was killed by signal 40")
async def test_a_signal_without_a_name_ends_a_worker_and_nothing_else(program):
    pylb = program()
    await pylb.origin()
    await pylb.start()
    victim = pylb.processes("worker")[0]
    os.kill(victim.pid, 40)
    await pylb.logged(rf"worker \d \(pid {victim.pid}\) was killed by signal 40; another one starts")
    await pylb.logged(r"worker \d is serving", 3)
    assert (await pylb.get("/", admin=False)) == (200, "web-1")


async def answers(pylb):
    try:
        return (await pylb.get("/ready"))[0] == 200
    except OSError:
        return False
