import asyncio

import pytest

from pylb.control.state_writer import RECENT, StateWriter
from tests.until import until


class Written:
    """Counts the writes, each of which takes so many seconds of its clock."""

    def __init__(self):
        self.entries = []
        self.taken = 0.0
        self.now = 100.0

    def write(self, entries):
        self.entries.append(entries)
        self.now += self.taken


@pytest.fixture
def written():
    return Written()


@pytest.fixture
def writer(written):
    return StateWriter(written.write, lambda: written.now)


async def test_several_changes_are_written_once(writer, written):
    writer.write_soon()
    writer.write_soon()
    assert written.entries == []
    await until(lambda: written.entries)
    await asyncio.sleep(0)
    assert written.entries == [RECENT]


async def test_a_write_at_the_end_replaces_the_one_that_is_due(writer, written):
    writer.write_soon()
    writer.write(None)
    await asyncio.sleep(0.001)
    assert written.entries == [None]


async def test_slow_writes_are_far_apart(writer, written):
    written.taken = 0.004
    writer.write()
    writer.write_soon()
    assert writer._scheduled.when() - asyncio.get_running_loop().time() == pytest.approx(0.04, abs=0.01)
    await until(lambda: len(written.entries) == 2)
