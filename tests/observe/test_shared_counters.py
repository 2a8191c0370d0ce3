from mmap import mmap

import pytest

from pylb.observe.counter_layout import SLOT_LENGTH
from pylb.observe.gauges import CLIENTS, GAUGES, IDLE, IN_FLIGHT, PROCESS, SLOTS
from pylb.observe.shared_counters import PAGE_SLOTS, SharedCounters


def views(memory, rows=2):
    """What that many processes see of the same counters."""
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
    first, second = views(memory)
    for slot in (3, PAGE_SLOTS, 2 * PAGE_SLOTS + 1):
        first.counters(slot)[5] += 10
        second.counters(slot)[5] += 4
        second.counters(slot)[6] += 1
        for shared in (first, second):
            assert shared.total(slot)[5:7] == [14, 1]
            assert sum(shared.total(slot - 1)) == sum(shared.total(slot + 1)) == 0


def test_every_number_has_its_own_place():
    shared = SharedCounters(rows=3)
    for slot in (0, 1, PAGE_SLOTS - 1, PAGE_SLOTS):
        for which in range(GAUGES):
            for row in range(3):
                shared.gauge(slot, which)[row] += 1
        for row in range(3):
            counters = shared._slice(slot, row)
            for index in range(SLOT_LENGTH):
                counters[index] += 1
    for slot in (0, 1, PAGE_SLOTS - 1, PAGE_SLOTS):
        assert shared.total(slot) == [3] * SLOT_LENGTH
        assert all(shared.gauge(slot, which).tolist() == [1, 1, 1] for which in range(GAUGES))


def test_a_gauge_is_visible_to_all_processes():
    first, second = views(bytearray)
    there = second.gauge(7, IN_FLIGHT)
    first.gauge(7, IN_FLIGHT)[first.row] = 3
    there[second.row] = 4
    assert sum(first.gauge(7, IN_FLIGHT)) == sum(there) == 7
    assert sum(first.gauge(7, IDLE)) == sum(first.gauge(8, IN_FLIGHT)) == 0


def test_requests_in_flight_of_a_dead_process_are_returned_and_cleared():
    living, dead = views(bytearray)
    living.gauge(PROCESS, SLOTS)[living.row] = PAGE_SLOTS + 2
    for slot in (1, PAGE_SLOTS + 1):
        for shared in (living, dead):
            shared.gauge(slot, IN_FLIGHT)[shared.row] = 2
            shared.gauge(slot, IDLE)[shared.row] = 5
            shared.counters(slot)[0] = 9
    for shared in (living, dead):
        shared.gauge(PROCESS, CLIENTS)[shared.row] = 8
    assert living.forget(dead.row) == 4
    assert living.forget(dead.row) == 0
    for slot in (1, PAGE_SLOTS + 1):
        assert living.gauge(slot, IN_FLIGHT).tolist() == [2, 0]
        assert living.gauge(slot, IDLE).tolist() == [5, 0]
        assert living.total(slot)[0] == 18, "what it counted is kept"
    assert living.gauge(PROCESS, CLIENTS).tolist() == [8, 0]
