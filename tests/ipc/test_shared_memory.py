import os

import pytest

from pylb.ipc.shared_memory import SharedMemory
from pylb.observe.gauges import IN_FLIGHT
from pylb.observe.shared_counters import PAGE_SLOTS


@pytest.fixture
def memory():
    made = SharedMemory.create(2)
    yield made
    os.close(made.counters)
    os.close(made.gauges)


def test_every_process_has_its_own_row(memory):
    rows = [*memory.worker_rows, memory.control_row, memory.supervisor_row]
    assert rows == list(range(len(rows)))
    assert len(memory.worker_rows) == 8


def test_writes_are_visible_to_all_processes_after_growth(memory):
    blocks = [memory.block(row) for row in (0, 1, memory.control_row)]
    for slot in (0, 5, PAGE_SLOTS, 3 * PAGE_SLOTS + 1):
        for block in blocks:
            block.cells(slot)[2] += 1 + block.row
            block.gauge(slot, IN_FLIGHT)[block.row] = 7
    for block in (*blocks, memory.block(memory.supervisor_row)):
        for slot in (0, 5, PAGE_SLOTS, 3 * PAGE_SLOTS + 1):
            assert block.total(slot)[2] == 1 + 2 + 1 + memory.control_row
            assert sum(block.gauge(slot, IN_FLIGHT)) == 21
        assert sum(block.total(6)) == 0


def test_unused_memory_is_not_allocated(memory):
    memory.block(0).cells(3 * PAGE_SLOTS)[0] = 1
    used = sum(os.fstat(descriptor).st_blocks * 512 for descriptor in (memory.counters, memory.gauges))
    assert used < 100_000
