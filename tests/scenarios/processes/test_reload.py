"""HUP: new workers and a new control take over one after the other without failed requests."""

import asyncio
import json
import re
import signal
from pathlib import Path

import pytest

from tests.scenarios.processes.registry import Registry, served_by
from tests.until import until

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_reload_replaces_all_processes_except_the_supervisor_and_loses_nothing(program, workers):
    pylb = program(workers=workers)
    for _ in range(2):
        await pylb.origin()
    await pylb.start()
    before = {p.pid for role in ("worker", "control") for p in pylb.processes(role)}
    assert len(before) == workers + 1
    supervisor = pylb.pid
    async with pylb.clients(16) as clients:
        await clients.more()
        for number in (2, 3):
            pylb.send(signal.SIGHUP)
            await pylb.logged(f"generation {number} serves")
            await clients.more()
    assert clients.failures == {}
    assert set(clients.answers) == {"web-1", "web-2"}
    await until(lambda: len(pylb.family()) == workers + 2, 10)
    assert pylb.pid == supervisor
    assert not before & {p.pid for p in pylb.family()}
    assert await pylb.metric("pylb_restarts_total") == 0
    assert await pylb.metric("pylb_requests_total") == clients.total, "counters go on"


async def test_the_old_control_serves_until_the_new_one_has_loaded_everything(program, own_consul):
    pylb = program("--consul", own_consul.http, "--service", "web")
    for _ in range(3):
        await pylb.origin()
    await pylb.start()
    registry = Registry(own_consul, pylb.origins)
    await registry.register(0, 1)
    await served_by(pylb, "web-1", "web-2")
    (old,) = pylb.processes("control")
    pylb.send(signal.SIGHUP)
    new = await until(lambda: [p for p in pylb.processes("control") if p.pid != old.pid], 30)
    new[0].suspend()
    await registry.register(2)
    await served_by(pylb, "web-1", "web-2", "web-3")
    assert pylb.processes("control")[0].pid == old.pid
    new[0].resume()
    await pylb.logged("generation 2 serves")
    assert [p.pid for p in pylb.processes("control")] == [new[0].pid]
    await registry.deregister(2)
    await served_by(pylb, "web-1", "web-2")


@pytest.mark.logs_error(r"reload given up: the new control was not ready in time")
async def test_a_new_control_that_dies_at_its_start_changes_nothing(program):
    pylb = program()
    await pylb.origin()
    await pylb.start()
    before = {p.pid for p in pylb.family()}
    (old,) = pylb.processes("control")
    pylb.send(signal.SIGHUP)
    new = await until(lambda: [p for p in pylb.processes("control") if p.pid != old.pid], 30)
    new[0].kill()
    await pylb.logged("reload given up: the new control was not ready in time; nothing has changed")
    await until(lambda: {p.pid for p in pylb.family()} == before)
    pylb.send(signal.SIGHUP)
    await pylb.logged("serves$")


@pytest.mark.logs_error(r"reload given up: the new control was killed by SIGKILL")
async def test_a_new_control_that_dies_before_its_takeover_is_replaced(program):
    """The old one hangs, so the new one is ready for a while before the place is free."""
    pylb = program("--watchdog-timeout", "off")
    await pylb.origin()
    await pylb.start()
    (old,) = pylb.processes("control")
    old.suspend()
    pylb.send(signal.SIGHUP)
    new = await until(lambda: [p for p in pylb.processes("control") if p.pid != old.pid], 30)
    await until(lambda: pending(old, signal.SIGTERM), 30)
    new[0].kill()
    await pylb.logged("reload given up: the new control was killed by SIGKILL before its takeover")
    gone = {old.pid, new[0].pid}
    await until(lambda: {p.pid for p in pylb.processes("control")} - gone, 30)
    pylb.send(signal.SIGHUP)
    await pylb.logged("generation 3 serves")
    assert (await pylb.get("/health"))[0] == 200


def pending(process, number):
    """Whether a signal waits for a process to take it."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"ShdPnd:\s*(\w+)", status)[1], 16) & 1 << (number - 1)


@pytest.mark.logs_error(r"reload refused")
async def test_an_invalid_option_changes_nothing(program, tmp_path):
    options = tmp_path / "pylb.env"
    options.write_text("PYLB_POLICY=round-robin\n")
    pylb = program("--env-file", str(options))
    await pylb.origin()
    await pylb.start()
    before = {p.pid for p in pylb.family()}
    options.write_text("PYLB_POLICY=nonsense\n")
    pylb.send(signal.SIGHUP)
    reason = "PYLB_POLICY: got 'nonsense', expected one of least-connections"
    await pylb.logged(f"reload refused: {reason}.*; generation 1 continues")
    await pylb.logged("^pylb: PYLB_POLICY: got 'nonsense', expected one of least-connections")
    assert not [line for line in pylb.lines if "Traceback" in line]
    assert {p.pid for p in pylb.family()} == before
    assert (await pylb.get("/", admin=False)) == (200, "web-1")
    options.write_text("PYLB_POLICY=random\n")
    pylb.send(signal.SIGHUP)
    await pylb.logged("generation 2 serves")
    assert json.loads((await pylb.get("/api/config"))[1])["--policy"] == "random"


async def test_many_reloads_at_once_run_at_most_twice(program):
    """The one that is under way, and one more for what has changed since it began."""
    pylb = program()
    await pylb.origin()
    await pylb.start()
    for _ in range(10):
        pylb.send(signal.SIGHUP)
    await pylb.logged("generation 2 serves")
    pylb.send(signal.SIGHUP)
    await pylb.logged("generation 3 serves")
    pylb.send(signal.SIGTERM)
    assert await pylb.ended() == 0
    assert not [line for line in pylb.lines if "generation 4" in line]


async def test_reloads_wait_for_serving_workers_and_the_memory_is_bounded(program):
    """Each generation keeps a request for as long as it wants; the fifth has to wait for the first."""
    release = asyncio.Event()

    async def hold(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        await release.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nheld")

    pylb = program("--drain-timeout", "60s")
    await pylb.origin(hold)
    await pylb.start()
    retained = []
    for generation in (1, 2, 3, 4):
        # Enough clients for both workers to have one, whichever way the kernel spreads them.
        for _ in range(12):
            reader, writer = await asyncio.open_connection(*pylb.url.removeprefix("http://").split(":"))
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            retained.append((reader, writer))
        count = len(retained)
        await until(lambda count=count: pylb.origins[0].open >= count, 20)
        pylb.send(signal.SIGHUP)
        if generation < 4:
            await pylb.logged(f"generation {generation + 1} serves")
    await pylb.logged("reload waits: too many workers of earlier generations still drain")
    release.set()
    await pylb.logged("generation 5 serves")
    for reader, writer in retained:
        assert (await asyncio.wait_for(reader.read(-1), 20)).endswith(b"held")
        writer.close()
