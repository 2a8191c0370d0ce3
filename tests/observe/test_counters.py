from mmap import mmap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pylb.model import Endpoint
from pylb.observe.cells import CELLS
from pylb.observe.counters import GRACE, PAGE_SLOTS, Block, Counters


def web(number, service="web"):
    return Endpoint(service, f"10.0.0.{number}", 80)


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def counters(clock):
    return Counters(Block(), clock)


def shown(counters, cell=0):
    _, backends = counters.read()
    return {authority: total[cell] for (_, authority), total in backends.items()}


def of_service(counters, service="web"):
    services, _ = counters.read()
    return services[service][0] if service in services else 0


@pytest.mark.parametrize("memory", [bytearray, lambda size: mmap(-1, size)], ids=["private", "shared"])
def test_processes_write_their_rows_and_read_the_sum(memory):
    page = memory(2 * PAGE_SLOTS * CELLS * 8)
    first, second = (Block(rows=2, row=row, memory=lambda size: page) for row in range(2))
    first.cells(3)[5] += 10
    second.cells(3)[5] += 4
    second.cells(3)[6] += 1
    for block in (first, second):
        assert block.total(3)[5:7] == [14, 1]
        assert sum(block.total(2)) == sum(block.total(4)) == 0


def test_growth_keeps_what_was_handed_out(counters):
    early = counters.allocate(web(1))
    early[0] = 7
    for i in range(2 * PAGE_SLOTS + 1):
        counters.allocate(Endpoint("web", f"host{i}", 80))[0] = i
    early[0] += 1
    assert shown(counters)["10.0.0.1:80"] == 8
    assert shown(counters)[f"host{2 * PAGE_SLOTS}:80"] == 2 * PAGE_SLOTS


def test_one_backend_keeps_its_cells_whatever_else_about_it_changes(counters):
    counters.allocate(web(1))[0] = 3
    again = counters.allocate(Endpoint("web", "10.0.0.1", 80, id="other", weight=9))
    assert again[0] == 3


def test_services_do_not_share(counters):
    counters.allocate(web(1))[0] = 3
    assert counters.allocate(web(1, "api"))[0] == 0


def test_a_released_backend_is_not_shown_but_still_part_of_its_service(counters):
    counters.service("web")[0] = 1
    for number in (1, 2):
        counters.allocate(web(number))[0] = 10 * number
    counters.allocate(web(1, "api"))[0] = 500
    counters.release(web(1))
    _, backends = counters.read()
    assert backends == {
        ("web", "10.0.0.2:80"): [20] + [0] * (CELLS - 1),
        ("api", "10.0.0.1:80"): [500] + [0] * (CELLS - 1),
    }
    assert of_service(counters) == 31
    assert of_service(counters, "api") == 500


def test_it_comes_back_with_its_counts(counters):
    counters.allocate(web(1))[0] = 10
    counters.release(web(1))
    assert counters.allocate(web(1))[0] == 10


def test_cells_are_given_to_another_only_after_the_grace_time_and_empty(counters, clock):
    first = counters.allocate(web(1))
    first[0] = 10
    counters.release(web(1))
    clock.now += GRACE / 2
    counters.allocate(web(2))
    first[0] += 1  # the last request of a backend that has gone
    assert shown(counters) == {"10.0.0.2:80": 0}
    assert of_service(counters) == 11
    clock.now += GRACE / 2
    third = counters.allocate(web(3))
    assert first[0] == 0
    third[0] = 5
    assert first[0] == 5, "the slot was not used again"
    assert of_service(counters) == 16


def test_reuse_leaves_the_rows_of_other_processes_alone(clock):
    page = bytearray(2 * PAGE_SLOTS * CELLS * 8)
    worker, control = (Block(rows=2, row=row, memory=lambda _: page) for row in range(2))
    counters = Counters(control, clock)
    counters.allocate(web(1))
    worker.cells(0)[0] = 10
    counters.release(web(1))
    clock.now += GRACE
    counters.allocate(web(2))
    assert worker.cells(0)[0] == 10
    assert shown(counters) == {"10.0.0.2:80": 0}
    assert of_service(counters) == 10
    worker.cells(0)[0] += 1
    assert shown(counters) == {"10.0.0.2:80": 1}


def test_cells_stay_while_one_of_two_backends_at_the_same_address_is_left(counters, clock):
    counters.allocate(web(1))[0] = 10
    assert counters.allocate(Endpoint("web", "10.0.0.1", 80, id="successor"))[0] == 10
    counters.release(web(1))
    clock.now += GRACE
    counters.allocate(web(2))
    assert shown(counters) == {"10.0.0.1:80": 10, "10.0.0.2:80": 0}


@given(
    st.lists(st.tuples(st.sampled_from(["web", "api"]), st.sets(st.integers(0, 9)), st.floats(0, 2 * GRACE)))
)
def test_totals_never_fall_and_lose_nothing_while_instances_come_and_go(steps):
    clock = Clock()
    counters = Counters(Block(), clock)
    counted = {"web": 0, "api": 0}
    present = {"web": {}, "api": {}}
    for service, numbers, pause in steps:
        clock.now += pause
        for number in present[service].keys() - numbers:
            counters.release(web(number, service))
            del present[service][number]
        for number in numbers:
            if number not in present[service]:
                present[service][number] = counters.allocate(web(number, service))
            present[service][number][0] += 1
            counted[service] += 1
        assert {name: of_service(counters, name) for name in counted} == counted
        _, backends = counters.read()
        assert {a for s, a in backends if s == service} == {web(n).authority for n in numbers}
