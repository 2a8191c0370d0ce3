from time import time

import pytest

from pylb.control.recorder import Recorder
from pylb.model import Endpoint, PoolState
from pylb.observe.counter_layout import ATTEMPTS, DURATION
from pylb.observe.counters import Counters
from pylb.observe.shared_counters import SharedCounters
from pylb.runtime.lifecycle import TaskScope
from tests.until import until

ONE, TWO = (Endpoint("web", f"10.0.0.{n}", 80, id=f"web-{n}") for n in (1, 2))


@pytest.fixture
def counters():
    return Counters(SharedCounters(), lambda: 0.0)


def change(recorder, counters, *endpoints):
    """A pool changes, as control would have it."""
    applied = recorder.record(PoolState("web", endpoints, observed=time()))
    entry = recorder.history.entries[-1]
    values = {
        endpoint.id: counters.allocate(endpoint) for endpoint in endpoints if endpoint.id in entry.added
    }
    applied()
    return entry, values


async def test_the_first_request_to_an_added_instance_ends_the_measurement(counters):
    recorder = Recorder(counters)
    async with TaskScope("test") as scope:
        recorder.start(scope)
        _, values = change(recorder, counters, ONE)
        recorder.samples.take(time())
        values["web-1"][DURATION] += 5
        recorder.samples.take(time() + 0.1)
        entry, values = change(recorder, counters, ONE, TWO)
        assert entry.applied < 1
        assert entry.routed is None
        values["web-2"][ATTEMPTS] += 1
        await until(lambda: entry.routed is not None)
        assert entry.routed >= entry.applied


async def test_without_traffic_nothing_is_measured(counters):
    recorder = Recorder(counters)
    async with TaskScope("test") as scope:
        recorder.start(scope)
        change(recorder, counters, ONE)
        assert {task.get_name() for task in scope.tasks} == {"samples"}
