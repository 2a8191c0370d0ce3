"""Instances that are registered and deregistered, and the journal of their lifetimes."""

import asyncio
import subprocess
import sys

import aiohttp
import pytest

from bench.load import journal, scaler
from bench.load.instance import SERVED_BY, Instance
from bench.load.journal import Lifetime
from tests.until import until


class Agent:
    """An agent that records the order of the calls."""

    def __init__(self):
        self.entries = {}
        self.calls = []

    async def register(self, entry):
        self.entries[entry["ID"]] = entry
        self.calls.append("+")

    async def deregister(self, name):
        del self.entries[name]
        self.calls.append("-")


async def test_permanent_instances_stay_temporary_ones_alternate_and_all_are_removed_at_the_end():
    agent, lines, over = Agent(), [], asyncio.Event()
    scaling = asyncio.get_running_loop().create_task(
        scaler.scale(scaler.Scaler(agent, "web", "127.0.0.1", lines.append), 2, 2, 0.01, over)
    )
    await until(lambda: len(agent.calls) >= 2 + 6)
    over.set()
    await scaling
    assert "".join(agent.calls).startswith("++++--++")
    assert agent.entries == {}
    lifetimes = journal.read("\n".join(lines) + "\n")
    assert [lifetime.permanent for lifetime in lifetimes.values()] == [True, True] + [False] * (
        len(lifetimes) - 2
    )
    assert all(lifetime.deregistered >= lifetime.registered for lifetime in lifetimes.values())
    permanent, _, first_passing, *_ = lifetimes.values()
    assert first_passing.deregistered < permanent.deregistered


async def test_each_response_names_its_instance():
    instance = Instance("web-1", "127.0.0.1")
    await instance.start()
    async with aiohttp.ClientSession(f"http://127.0.0.1:{instance.port}") as client:
        async with client.get("/any/path") as answer:
            assert (answer.headers[SERVED_BY], await answer.text()) == ("web-1", "ok\n")
        async with client.post("/upload", data=b"x" * 100_000) as answer:
            assert (answer.headers[SERVED_BY], await answer.text()) == ("web-1", "100000")
        async with client.ws_connect("/echo") as socket:
            await socket.send_str("hello")
            assert await socket.receive_str() == "hello"
            assert socket._response.headers[SERVED_BY] == "web-1"
    await instance.finish()


async def test_a_deregistered_instance_serves_its_open_connections():
    instance = Instance("web-1", "127.0.0.1")
    await instance.start()
    async with aiohttp.ClientSession(f"http://127.0.0.1:{instance.port}") as client:
        async with client.get("/") as answer:
            await answer.read()
        finishing = asyncio.get_running_loop().create_task(instance.finish())
        async with client.get("/") as answer:
            assert answer.status == 200
            await answer.read()
        assert not finishing.done()
    await finishing
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", instance.port)


def test_an_incomplete_last_line_of_a_journal_is_ignored():
    here, gone = Lifetime("web-1", 1.0, permanent=True), Lifetime("web-2", 2.0, 3.0)
    text = "\n".join(map(journal.write, (here, Lifetime("web-2", 2.0), gone)))
    assert journal.read(text + "\n") == {"web-1": here, "web-2": gone}
    assert journal.read(text[:-5]) == {"web-1": here, "web-2": Lifetime("web-2", 2.0)}


@pytest.mark.slow
def test_an_unreachable_registry_is_an_error_of_one_line():
    argv = [sys.executable, "-m", "bench.load.scaler", "--consul", "127.0.0.1:1", "--service", "web"]
    ended = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.PIPE)
    assert ended.returncode == 1
    assert ended.stderr.startswith("bench.load.scaler: ")
    assert ended.stderr.count("\n") == 1
