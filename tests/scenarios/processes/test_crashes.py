"""Any process dies: what is lost is bounded and counted, and another one takes its place."""

import asyncio
import os
import signal
import time

import pytest

from tests.scenarios.processes.program import closed
from tests.scenarios.processes.registry import Registry, served_by
from tests.until import until

pytestmark = pytest.mark.slow


@pytest.mark.logs_error(r"worker \d \(pid \d+\) was killed by SIGKILL")
@pytest.mark.parametrize("workers", [1, 2])
async def test_a_killed_worker_causes_no_refused_connection(program, workers):
    pylb = program(workers=workers)
    for _ in range(2):
        await pylb.origin()
    await pylb.start()
    async with pylb.clients(16) as clients:
        await clients.more()
        for count in (1, 2, 3):
            victim = pylb.processes("worker")[count % workers].pid
            os.kill(victim, signal.SIGKILL)
            killed = time.monotonic()
            await pylb.logged(f"pid {victim}.* was killed by SIGKILL.*; another one starts")
            await pylb.logged(r"worker \d is serving", workers + count)
            back = time.monotonic() - killed
            await clients.more()
    assert back < 15, "a second is usual; other programs may keep the machine busy"
    assert sum(clients.failures.values()) <= 3 * 16, "no more than there were connections"
    assert set(clients.failures) <= {"IncompleteReadError", "ConnectionResetError", "BrokenPipeError"}
    lost = await pylb.metric("pylb_requests_lost_total")
    assert lost <= sum(clients.failures.values())
    assert await pylb.metric("pylb_restarts_total") == 3
    assert clients.total <= await pylb.metric("pylb_requests_total") <= clients.total + 48, "counts are kept"
    assert await pylb.metric("pylb_backend_requests_in_flight") == 0, "and what it had in flight is forgotten"


@pytest.mark.logs_error(r"worker \d \(pid \d+\) was killed by SIGKILL")
async def test_requests_in_flight_in_a_worker_that_dies_are_counted(program):
    async def never(reader, writer):
        await reader.read(-1)

    pylb = program()
    await pylb.origin(never)
    await pylb.start()
    connections = []
    for _ in range(8):
        _, writer = await asyncio.open_connection(*pylb.url.removeprefix("http://").split(":"))
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        connections.append(writer)
    await until(lambda: pylb.origins[0].open == 8, 20)
    assert await pylb.metric("pylb_backend_requests_in_flight") == 8
    for worker in pylb.processes("worker"):
        worker.kill()
    await pylb.logged("was killed by SIGKILL", 2)
    await pylb.logged(r"worker \d is serving", 4)
    assert await pylb.metric("pylb_requests_lost_total") == 8
    assert await pylb.metric("pylb_backend_requests_in_flight") == 0
    for writer in connections:
        await closed(writer)


@pytest.mark.logs_error(r"control \(pid \d+\) was killed by SIGKILL")
async def test_control_is_killed_while_instances_change(program, own_consul):
    pylb = program("--consul", own_consul.http, "--service", "web")
    for _ in range(4):
        await pylb.origin()
    await pylb.start()
    consul = Registry(own_consul, pylb.origins)
    await consul.register(0, 1)
    await served_by(pylb, "web-1", "web-2")
    async with pylb.clients(8) as clients:
        for count in (1, 2, 3):
            (control,) = pylb.processes("control")
            control.kill()
            await consul.register(2) if count % 2 else await consul.deregister(2)
            await pylb.logged("control .* was killed by SIGKILL; another one starts", count)
            await pylb.logged("pylb: pylb is serving", 1 + count)
            restarted = time.monotonic()
            await served_by(pylb, *(["web-1", "web-2", "web-3"] if count % 2 else ["web-1", "web-2"]))
            assert time.monotonic() - restarted < 15
    assert clients.failures == {}
    generations = [line for line in pylb.lines if "web: generation" in line]
    numbers = [int(line.split("web: generation ")[1].split(",")[0]) for line in generations]
    assert numbers == sorted(set(numbers)), "every control goes on from where the last one was"


@pytest.mark.logs_error(r"worker \d \(pid \d+\) was killed by SIGKILL")
async def test_a_hanging_control_affects_neither_workers_nor_their_replacement(program):
    pylb = program("--watchdog-timeout", "off")
    for _ in range(2):
        await pylb.origin()
    await pylb.start()
    (control,) = pylb.processes("control")
    control.suspend()
    try:
        async with pylb.clients(8) as clients:
            await clients.more()
            for worker in pylb.processes("worker"):
                worker.kill()
            await pylb.logged(r"worker \d is serving", 4)
            clients.failures.clear()
            await clients.more()
            assert set(clients.answers) == {"web-1", "web-2"}
        assert clients.failures == {}
    finally:
        control.resume()
    await until_ready(pylb)
    assert await pylb.metric("pylb_workers") == 2


async def test_after_the_supervisor_was_killed_all_processes_finish_and_end(program):
    async def late(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.09)
        await release.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    release = asyncio.Event()
    pylb = program()
    await pylb.origin(late)
    await pylb.start()
    reader, writer = await asyncio.open_connection(*pylb.url.removeprefix("http://").split(":"))
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await until(lambda: pylb.origins[0].open == 1, 20)
    os.kill(pylb.pid, signal.SIGKILL)
    await pylb.logged(r"worker \d is draining", 2)
    release.set()
    assert (await asyncio.wait_for(reader.read(-1), 20)).endswith(b"ok")
    await closed(writer)
    await pylb.gone()
    assert not [line for line in pylb.lines if "Traceback" in line]


async def test_a_worker_signalled_to_end_is_replaced_before_its_end(program):
    release = asyncio.Event()

    async def late(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        await release.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    pylb = program()
    await pylb.origin(late)
    await pylb.start()
    retained = []
    for _ in range(8):
        retained.append(await asyncio.open_connection(*pylb.url.removeprefix("http://").split(":")))
        retained[-1][1].write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await until(lambda: pylb.origins[0].open == 8, 20)
    worker = pylb.processes("worker")[0]
    worker.terminate()
    await pylb.logged(f"pid {worker.pid}.* drains without a signal; another one replaces it")
    await pylb.logged(r"worker \d is serving", 3)
    assert len(pylb.processes("worker")) == 3, "the old one still has requests"
    release.set()
    for reader, writer in retained:
        assert (await asyncio.wait_for(reader.readuntil(b"ok"), 20)).startswith(b"HTTP/1.1 200")
        await closed(writer)
    await until(lambda: len(pylb.processes("worker")) == 2, 20)


async def test_two_workers_balance_as_one(program):
    """Each of them has few requests at a time; together they must still spread them evenly."""
    peaks = []
    pylb = program()

    def counting():
        async def handle(reader, writer):
            while await reader.readuntil(b"\r\n\r\n"):
                running[origin_name(writer)] += 1
                peaks.append(max(running.values()) - sum(running.values()) / 4)
                await asyncio.sleep(0.02)
                running[origin_name(writer)] -= 1
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

        return handle

    def origin_name(writer):
        return writer.get_extra_info("sockname")[1]

    running = {}
    for _ in range(4):
        origin = await pylb.origin(counting())
        running[origin.endpoint.port] = 0
    await pylb.start()
    async with pylb.clients(12) as clients:
        await clients.more(200)
        peaks.clear()
        await clients.more(1000)
    assert clients.failures == {}
    together = sum(peaks) / len(peaks)
    assert together < 1.0, f"the busiest of four is {together:.2f} requests above the mean of three"


async def until_ready(pylb):
    async with asyncio.timeout(20):
        while (await pylb.get("/ready"))[0] != 200:
            await asyncio.sleep(0.05)
