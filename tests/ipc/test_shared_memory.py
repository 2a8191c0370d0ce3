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
    blocks = [memory.attach(row) for row in (0, 1, memory.control_row)]
    for slot in (0, 5, PAGE_SLOTS, 3 * PAGE_SLOTS + 1):
        for shared in blocks:
            shared.counters(slot)[2] += 1 + shared.row
            shared.gauge(slot, IN_FLIGHT)[shared.row] = 7
    for shared in (*blocks, memory.attach(memory.supervisor_row)):
        for slot in (0, 5, PAGE_SLOTS, 3 * PAGE_SLOTS + 1):
            assert shared.total(slot)[2] == 1 + 2 + 1 + memory.control_row
            assert sum(shared.gauge(slot, IN_FLIGHT)) == 21
        assert sum(shared.total(6)) == 0


def test_unused_memory_is_not_allocated(memory):
    memory.attach(0).counters(3 * PAGE_SLOTS)[0] = 1
    used = sum(os.fstat(descriptor).st_blocks * 512 for descriptor in (memory.counters, memory.gauges))
    assert used < 100_000
