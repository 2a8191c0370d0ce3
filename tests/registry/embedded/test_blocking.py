import asyncio
import statistics
import time

import pytest

from pylb.registry.embedded.blocking import DEFAULT_WAIT, MAX_WAIT, Answer, Changes, wait_time


class Data:
    """One row, and the index of whatever was written last."""

    def __init__(self) -> None:
        self.changes = Changes()
        self.index = self.changes.advance()
        self.row = "first"

    def query(self):
        return Answer(self.index, self.row)

    def write(self, row):
        self.index = self.changes.advance()
        self.row = row


@pytest.fixture
def data():
    return Data()


async def test_a_query_without_an_index_is_answered_immediately(data):
    assert await data.changes.settle(data.query, 0, 60) == Answer(2, "first")


async def test_a_write_ends_a_blocking_query(data):
    async with asyncio.TaskGroup() as tasks:
        query = tasks.create_task(data.changes.settle(data.query, 2, 60))
        await asyncio.sleep(0)
        data.write("second")
    assert query.result() == Answer(3, "second")


async def test_an_unrelated_write_does_not(data):
    """The index has moved, but not the row; only the next write of the row ends the wait."""
    async with asyncio.TaskGroup() as tasks:
        query = tasks.create_task(data.changes.settle(data.query, 2, 60))
        for row in ("first", "first", "second"):
            await asyncio.sleep(0)
            assert not query.done()
            data.write(row)
    assert query.result() == Answer(5, "second")


async def test_without_rows_the_table_index_is_used():
    changes = Changes()
    changes.advance()
    async with asyncio.TaskGroup() as tasks:
        query = tasks.create_task(
            changes.settle(lambda: Answer(changes.index, None, watches_index=True), 2, 60)
        )
        await asyncio.sleep(0)
        changes.advance()
    assert query.result().index == 3


async def test_a_timeout_returns_the_current_answer(data):
    async with asyncio.TaskGroup() as tasks:
        query = tasks.create_task(data.changes.settle(data.query, 2, 0.05))
        await asyncio.sleep(0)
        data.write("first")
    assert query.result() == Answer(2, "first")


async def test_an_index_from_the_future_waits(data):
    assert await data.changes.settle(data.query, 1000, 0.02) == Answer(2, "first")


def test_the_wait_has_default_limits_and_jitter():
    for requested, granted in ((1.6, 1.6), (0, DEFAULT_WAIT), (-5, DEFAULT_WAIT), (1e6, MAX_WAIT)):
        waits = [wait_time(requested) for _ in range(500)]
        assert granted <= min(waits) < granted * 1.01
        assert granted * 1.05 < max(waits) <= granted * 17 / 16


async def test_a_blocking_query_returns_within_a_millisecond(data):
    delays = []
    for number in range(50):
        async with asyncio.TaskGroup() as tasks:
            query = tasks.create_task(data.changes.settle(data.query, data.index, 60))
            await asyncio.sleep(0)
            started = time.perf_counter()
            data.write(number)
            await query
            delays.append(time.perf_counter() - started)
    assert statistics.median(delays) < 0.001


async def test_disconnected_clients_are_removed(data):
    readers = []
    async with asyncio.TaskGroup() as tasks:
        readers = [tasks.create_task(data.changes.settle(data.query, 2, 60)) for _ in range(20)]
        await asyncio.sleep(0)
        for reader in readers:
            reader.cancel()
    data.write("second")
    assert await data.changes.settle(data.query, 2, 60) == Answer(3, "second")
