"""A watch that starts without its registry, and what was kept on disk."""

import asyncio
import logging
import os
import time

import pytest

from pylb.discovery.guard import Guard
from pylb.discovery.snapshot_store import Memory
from pylb.discovery.status import WatchStatus
from pylb.discovery.watch import Watch
from tests.discovery.snapshots import numbers, snapshot
from tests.discovery.test_watch import ScriptedProvider, read
from tests.until import until


@pytest.fixture
def memory(tmp_path):
    return Memory(str(tmp_path))


@pytest.fixture
async def run(memory):
    tasks = []

    def start(*script):
        provider, status, delivered = ScriptedProvider(*script), WatchStatus("web"), []
        guard = Guard(status.guards)
        watch = Watch(provider, delivered.append, status=status, guard=guard, memory=memory)
        tasks.append(asyncio.get_running_loop().create_task(watch.run()))
        return watch, delivered, provider

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_what_is_delivered_is_kept(run, memory):
    _, _, provider = run(snapshot(1), snapshot(1, 2))
    await read(provider)
    assert numbers(memory.load("web")[0]) == [1, 2]


async def test_while_the_registry_refuses_what_was_kept_is_used_at_once_and_its_age_is_told(
    run, memory, caplog
):
    caplog.set_level(logging.WARNING)
    memory.save(snapshot(1, 2))
    os.utime(memory.path("web"), (0, time.time() - 3600))
    watch, delivered, _ = run(ConnectionRefusedError("nobody there"))
    await until(lambda: delivered, seconds=0.4)
    assert numbers(delivered[0]) == [1, 2]
    assert 3600 <= watch.status.age(time.monotonic()) < 3610
    assert "kept on disk, confirmed 3600 s before the start" in watch.status.untrusted_reason
    assert "the registry has not answered, going by what is kept on disk" in caplog.text


async def test_a_registry_that_says_nothing_is_not_waited_for(run, memory):
    memory.save(snapshot(1))
    _, delivered, _ = run()
    await until(lambda: delivered, seconds=1.0)
    assert numbers(delivered[0]) == [1]


async def test_a_registry_that_answers_is_believed(run, memory):
    memory.save(snapshot(1, 2))
    watch, delivered, provider = run(snapshot(3))
    await read(provider)
    assert [numbers(s) for s in delivered] == [[3]]
    assert not watch.status.recalled
    assert numbers(memory.load("web")[0]) == [3]


async def test_a_registry_that_comes_back_empty_is_doubted(run, memory):
    memory.save(snapshot(1, 2))
    watch, delivered, _ = run(ConnectionRefusedError("nobody there"), snapshot())
    await until(lambda: watch.status.retained == 2)
    assert [numbers(s) for s in delivered] == [[1, 2]]
    assert numbers(memory.load("web")[0]) == [1, 2]


async def test_without_a_memory_of_the_service_it_is_pending(run):
    watch, delivered, provider = run(ConnectionRefusedError("nobody there"))
    await read(provider)
    assert watch.status.pending
    assert not delivered
