import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pylb.model import Endpoint
from pylb.observe.counter_layout import SLOT_LENGTH
from pylb.observe.counters import GRACE, Counters
from pylb.observe.gauges import GAUGES, IN_FLIGHT
from pylb.observe.shared_counters import PAGE_SLOTS, SharedCounters


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
    return Counters(SharedCounters(), clock)


def shown(counters, index=0):
    _, backends = counters.read()
    return {authority: total[index] for (_, authority), total in backends.items()}


def of_service(counters, service="web"):
    services, _ = counters.read()
    return services[service][0] if service in services else 0


def test_growth_keeps_allocated_counters(counters):
    early = counters.allocate(web(1))
    early[0] = 7
    for i in range(2 * PAGE_SLOTS + 1):
        counters.allocate(Endpoint("web", f"host{i}", 80))[0] = i
    early[0] += 1
    assert shown(counters)["10.0.0.1:80"] == 8
    assert shown(counters)[f"host{2 * PAGE_SLOTS}:80"] == 2 * PAGE_SLOTS


def test_a_changed_backend_keeps_its_counters(counters):
    counters.allocate(web(1))[0] = 3
    again = counters.allocate(Endpoint("web", "10.0.0.1", 80, id="other", weight=9))
    assert again[0] == 3


def test_services_have_separate_counters(counters):
    counters.allocate(web(1))[0] = 3
    assert counters.allocate(web(1, "api"))[0] == 0


def test_a_released_backend_is_hidden_but_counts_for_its_service(counters):
    counters.service("web")[0] = 1
    for number in (1, 2):
        counters.allocate(web(number))[0] = 10 * number
    counters.allocate(web(1, "api"))[0] = 500
    counters.release(web(1))
    _, backends = counters.read()
    assert backends == {
        ("web", "10.0.0.2:80"): [20] + [0] * (SLOT_LENGTH - 1),
        ("api", "10.0.0.1:80"): [500] + [0] * (SLOT_LENGTH - 1),
    }
    assert of_service(counters) == 31
    assert of_service(counters, "api") == 500


def test_a_backend_that_returns_keeps_its_counts(counters):
    counters.allocate(web(1))[0] = 10
    counters.release(web(1))
    assert counters.allocate(web(1))[0] == 10


def test_counters_are_reused_after_the_grace_time_and_cleared(counters, clock):
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


def two_rows():
    """A worker's and control's view of the same counters."""
    page, gauges = bytearray(2 * PAGE_SLOTS * SLOT_LENGTH * 8), bytearray(2 * PAGE_SLOTS * GAUGES * 8)
    return (SharedCounters(rows=2, row=r, counters=lambda _: page, gauges=lambda _: gauges) for r in range(2))


def test_reuse_does_not_change_rows_of_other_processes(clock):
    worker, control = two_rows()
    counters = Counters(control, clock)
    counters.allocate(web(1))
    (slot,) = counters.slots("web").values()
    worker.counters(slot)[0] = 10
    counters.release(web(1))
    clock.now += GRACE
    counters.allocate(web(2))
    assert counters.slots("web") == {"10.0.0.2:80": slot}
    assert worker.counters(slot)[0] == 10
    assert shown(counters) == {"10.0.0.2:80": 0}
    assert of_service(counters) == 10
    worker.counters(slot)[0] += 1
    assert shown(counters) == {"10.0.0.2:80": 1}


def test_counters_with_requests_in_flight_are_not_reused(clock):
    worker, control = two_rows()
    counters = Counters(control, clock)
    counters.allocate(web(1))
    counters.allocate(web(2))
    first, second = counters.slots("web").values()
    worker.gauge(first, IN_FLIGHT)[worker.row] = 1
    for number in (1, 2):
        counters.release(web(number))
    clock.now += GRACE
    counters.allocate(web(3))
    assert counters.slots("web") == {"10.0.0.3:80": second}
    worker.gauge(first, IN_FLIGHT)[worker.row] = 0
    counters.allocate(web(4))
    assert counters.slots("web")["10.0.0.4:80"] == first


def test_a_successor_continues_the_counts(clock):
    page = bytearray(PAGE_SLOTS * SLOT_LENGTH * 8)
    before = Counters(SharedCounters(counters=lambda _: page), clock)
    before.service("web")[0] = 1
    before.allocate(web(1))[0] = 10
    before.allocate(web(2))[0] = 20
    before.allocate(web(3))[0] = 40
    before.release(web(3))
    after = Counters(
        SharedCounters(counters=lambda _: page), clock, orjson.loads(orjson.dumps(before.remember()))
    )
    for number in (1, 2):
        after.allocate(web(number))
    assert after.slots("web") == before.slots("web")
    assert after.read() == before.read()
    assert of_service(after) == 71
    after.allocate(web(4))
    assert len(set(after.slots("web").values()) | {after.slot("web")}) == 4
    after.release(web(1))
    clock.now += GRACE
    after.allocate(web(5))
    after.allocate(web(6))
    assert of_service(after) == 71


def test_counters_remain_while_a_backend_at_the_same_address_exists(counters, clock):
    counters.allocate(web(1))[0] = 10
    assert counters.allocate(Endpoint("web", "10.0.0.1", 80, id="successor"))[0] == 10
    counters.release(web(1))
    clock.now += GRACE
    counters.allocate(web(2))
    assert shown(counters) == {"10.0.0.1:80": 10, "10.0.0.2:80": 0}


@given(
    st.lists(st.tuples(st.sampled_from(["web", "api"]), st.sets(st.integers(0, 9)), st.floats(0, 2 * GRACE)))
)
def test_totals_are_monotonic_and_complete_while_instances_change(steps):
    clock = Clock()
    counters = Counters(SharedCounters(), clock)
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


def test_the_slots_of_a_removed_service_are_reused_and_its_counts_end(counters, clock):
    counters.service("web")[0] += 2
    counters.allocate(web(1))[0] += 3
    counters.release(web(1))
    slots = {counters.slot("web"), *(slot for slot, _ in counters._left.values())}
    counters.forget("web")
    assert counters.read() == ({}, {})
    assert counters.slot("early") not in slots
    clock.now += GRACE
    assert {counters.slot("api"), counters.slot("shop")} == slots
    assert (of_service(counters, "api"), of_service(counters, "shop")) == (0, 0)
    assert counters.slot("web") not in slots


def test_a_service_that_returns_soon_continues_its_counts(counters, clock):
    counters.allocate(web(1))[0] += 3
    slot = counters.slot("web")
    counters.release(web(1))
    counters.forget("web")
    clock.now += GRACE - 1
    assert counters.slot("web") == slot
    assert of_service(counters) == 3
    clock.now += GRACE
    assert counters.slot("api") != slot


def test_slots_of_a_removed_service_with_requests_are_not_reused(counters, clock):
    counters.allocate(web(1))
    slot = counters.slots("web")["10.0.0.1:80"]
    counters.slot("web")
    counters.release(web(1))
    counters.forget("web")
    counters.shared.gauge(slot, IN_FLIGHT)[0] = 1
    clock.now += GRACE
    assert counters.slot("api") != slot
    counters.shared.gauge(slot, IN_FLIGHT)[0] = 0
    assert counters.slot("shop") == slot


def test_a_successor_knows_removed_services(counters, clock):
    slot = counters.slot("web")
    counters.forget("web")
    successor = Counters(counters.shared, clock, orjson.loads(orjson.dumps(counters.remember())))
    assert successor.read() == ({}, {})
    clock.now += GRACE
    assert successor.slot("api") == slot
