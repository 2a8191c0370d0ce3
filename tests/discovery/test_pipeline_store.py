"""A pipeline that starts without its registry, and the snapshot on disk."""

import asyncio
import logging
import os
import time

import pytest

from pylb.discovery.snapshot_store import SnapshotStore
from tests.discovery.pipelines import read as read_script
from tests.discovery.pipelines import scripted_pipeline
from tests.discovery.snapshots import numbers, snapshot
from tests.until import until


@pytest.fixture
def store(tmp_path):
    return SnapshotStore(str(tmp_path))


@pytest.fixture
async def run(store):
    tasks = []

    def start(*script):
        delivered = []
        pipeline, provider = scripted_pipeline(delivered.append, *script, store=store)
        tasks.append(asyncio.get_running_loop().create_task(pipeline.run()))
        return pipeline, delivered, provider

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def read(provider):
    await read_script(provider, until)


async def test_what_is_delivered_is_stored(run, store):
    _, _, provider = run(snapshot(1), snapshot(1, 2))
    await read(provider)
    assert numbers(store.load("web")[0]) == [1, 2]


async def test_while_the_registry_refuses_the_snapshot_on_disk_is_used_and_its_age_reported(
    run, store, caplog
):
    caplog.set_level(logging.WARNING)
    store.save(snapshot(1, 2))
    os.utime(store.path("web"), (0, time.time() - 3600))
    pipeline, delivered, _ = run(ConnectionRefusedError("nobody there"))
    await until(lambda: delivered, seconds=0.4)
    assert numbers(delivered[0]) == [1, 2]
    assert 3600 <= pipeline.status.age(time.monotonic()) < 3610
    assert "restored from disk, confirmed 3600 s before the start" in pipeline.status.untrusted_reason
    assert "the registry has not responded; using the instances restored from disk" in caplog.text


async def test_a_registry_that_says_nothing_is_not_waited_for(run, store):
    store.save(snapshot(1))
    _, delivered, _ = run()
    await until(lambda: delivered, seconds=1.0)
    assert numbers(delivered[0]) == [1]


async def test_a_registry_that_answers_is_believed(run, store):
    store.save(snapshot(1, 2))
    pipeline, delivered, provider = run(snapshot(3))
    await read(provider)
    assert [numbers(s) for s in delivered] == [[3]]
    assert not pipeline.status.restored
    assert numbers(store.load("web")[0]) == [3]


async def test_a_registry_that_returns_empty_is_untrusted(run, store):
    store.save(snapshot(1, 2))
    pipeline, delivered, _ = run(ConnectionRefusedError("nobody there"), snapshot())
    await until(lambda: pipeline.status.retained == 2)
    assert [numbers(s) for s in delivered] == [[1, 2]]
    assert numbers(store.load("web")[0]) == [1, 2]


async def test_without_a_stored_snapshot_it_is_pending(run):
    pipeline, delivered, provider = run(ConnectionRefusedError("nobody there"))
    await read(provider)
    assert pipeline.status.pending
    assert not delivered
