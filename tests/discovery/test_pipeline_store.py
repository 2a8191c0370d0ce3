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


async def test_delivered_snapshots_are_stored(run, store):
    _, _, provider = run(snapshot(1), snapshot(1, 2))
    await read(provider)
    assert numbers(store.load("web")[0]) == [1, 2]


async def test_while_the_registry_is_unavailable_the_stored_snapshot_is_used(run, store, caplog):
    caplog.set_level(logging.WARNING)
    store.save(snapshot(1, 2))
    os.utime(store.path("web"), (0, time.time() - 3600))
    pipeline, delivered, _ = run(ConnectionRefusedError("nobody there"))
    await until(lambda: delivered, seconds=0.4)
    assert numbers(delivered[0]) == [1, 2]
    assert 3600 <= pipeline.status.age(time.monotonic()) < 3610
    assert "restored from disk, confirmed 3600 s before the start" in pipeline.status.untrusted_reason
    assert "the registry has not responded; using the instances restored from disk" in caplog.text


async def test_a_silent_registry_does_not_delay_the_start(run, store):
    store.save(snapshot(1))
    _, delivered, _ = run()
    await until(lambda: delivered, seconds=1.0)
    assert numbers(delivered[0]) == [1]


async def test_a_response_replaces_the_stored_snapshot(run, store):
    store.save(snapshot(1, 2))
    pipeline, delivered, provider = run(snapshot(3))
    await read(provider)
    assert [numbers(s) for s in delivered] == [[3]]
    assert not pipeline.status.restored
    assert numbers(store.load("web")[0]) == [3]


async def test_an_empty_registry_after_a_start_is_untrusted(run, store):
    store.save(snapshot(1, 2))
    pipeline, delivered, _ = run(ConnectionRefusedError("nobody there"), snapshot())
    await until(lambda: pipeline.status.retained == 2)
    assert [numbers(s) for s in delivered] == [[1, 2]]
    assert numbers(store.load("web")[0]) == [1, 2]


async def test_without_a_stored_snapshot_the_service_is_pending(run):
    pipeline, delivered, provider = run(ConnectionRefusedError("nobody there"))
    await read(provider)
    assert pipeline.status.pending
    assert not delivered
