from mmap import mmap

import pytest

from pylb.observe.counter_layout import CELLS
from pylb.observe.gauges import CLIENTS, GAUGES, IDLE, IN_FLIGHT, PROCESS, SLOTS
from pylb.observe.shared_counters import PAGE_SLOTS, SharedCounters


def shared(memory, rows=2):
    """What that many processes see of one block."""
    counters, gauges = [], []

    def pages(made):
        numbers = iter(range(10))

        def page(size):
            number = next(numbers)
            if number == len(made):
                made.append(memory(size))
            return made[number]

        return page

    return [
        SharedCounters(rows=rows, row=row, counters=pages(counters), gauges=pages(gauges))
        for row in range(rows)
    ]


@pytest.mark.parametrize("memory", [bytearray, lambda size: mmap(-1, size)], ids=["private", "shared"])
def test_processes_write_their_rows_and_read_the_sum(memory):
    first, second = shared(memory)
    for slot in (3, PAGE_SLOTS, 2 * PAGE_SLOTS + 1):
        first.cells(slot)[5] += 10
        second.cells(slot)[5] += 4
        second.cells(slot)[6] += 1
        for block in (first, second):
            assert block.total(slot)[5:7] == [14, 1]
            assert sum(block.total(slot - 1)) == sum(block.total(slot + 1)) == 0


def test_every_number_has_its_own_place():
    block = SharedCounters(rows=3)
    for slot in (0, 1, PAGE_SLOTS - 1, PAGE_SLOTS):
        for which in range(GAUGES):
            for row in range(3):
                block.gauge(slot, which)[row] += 1
        for row in range(3):
            cells = block._cells(slot, row)
            for cell in range(CELLS):
                cells[cell] += 1
    for slot in (0, 1, PAGE_SLOTS - 1, PAGE_SLOTS):
        assert block.total(slot) == [3] * CELLS
        assert all(block.gauge(slot, which).tolist() == [1, 1, 1] for which in range(GAUGES))


def test_a_gauge_is_visible_to_all_processes():
    first, second = shared(bytearray)
    there = second.gauge(7, IN_FLIGHT)
    first.gauge(7, IN_FLIGHT)[first.row] = 3
    there[second.row] = 4
    assert sum(first.gauge(7, IN_FLIGHT)) == sum(there) == 7
    assert sum(first.gauge(7, IDLE)) == sum(first.gauge(8, IN_FLIGHT)) == 0


def test_requests_in_flight_of_a_dead_process_are_returned_and_cleared():
    living, dead = shared(bytearray)
    living.gauge(PROCESS, SLOTS)[living.row] = PAGE_SLOTS + 2
    for slot in (1, PAGE_SLOTS + 1):
        for block in (living, dead):
            block.gauge(slot, IN_FLIGHT)[block.row] = 2
            block.gauge(slot, IDLE)[block.row] = 5
            block.cells(slot)[0] = 9
    for block in (living, dead):
        block.gauge(PROCESS, CLIENTS)[block.row] = 8
    assert living.forget(dead.row) == 4
    assert living.forget(dead.row) == 0
    for slot in (1, PAGE_SLOTS + 1):
        assert living.gauge(slot, IN_FLIGHT).tolist() == [2, 0]
        assert living.gauge(slot, IDLE).tolist() == [5, 0]
        assert living.total(slot)[0] == 18, "what it counted is kept"
    assert living.gauge(PROCESS, CLIENTS).tolist() == [8, 0]
