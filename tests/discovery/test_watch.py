import asyncio
from contextlib import aclosing

import pytest

from pylb.discovery.status import DiscoveryStatus
from pylb.discovery.watch import Failure, Watch
from pylb.model import Snapshot
from tests.discovery.pipelines import END, ScriptedProvider
from tests.discovery.snapshots import numbers, snapshot


class Time:
    """A clock that moves only when the watch pauses."""

    def __init__(self):
        self.now = 1000.0
        self.pauses = []

    def clock(self):
        return self.now

    async def sleep(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def run(time):
    """Watch a script to its end; returns the watch, its events, and the provider."""

    async def start(*script):
        provider = ScriptedProvider(*script)
        watch = Watch(provider, DiscoveryStatus("web"), clock=time.clock, sleep=time.sleep)
        async with aclosing(watch.events()) as events:
            return watch, [await anext(events) for _ in script], provider

    return start


async def test_the_watch_continues_after_any_exception(run):
    errors = [ValueError("bad"), OSError("refused"), TimeoutError(), RuntimeError(), END, KeyError("x")] * 20
    watch, events, provider = await run(snapshot(1), *errors, snapshot(1, 2))
    assert [numbers(e) for e in events if isinstance(e, Snapshot)] == [[1], [1, 2]]
    assert events[1:5] == [
        Failure("ValueError: bad"),
        Failure("OSError: refused"),
        Failure("TimeoutError: "),
        Failure("RuntimeError: "),
    ]
    assert (provider.lives, watch.status.errors, watch.status.error) == (121, 120, "")


async def test_pending_until_the_first_response(run, time):
    watch, _, _ = await run(OSError("refused"))
    assert (watch.status.pending, watch.status.age(time.now)) == (True, None)
    watch, _, _ = await run(OSError("refused"), snapshot())
    assert (watch.status.pending, watch.status.age(time.now + 3)) == (False, 3)


async def test_errors_back_off_up_to_ten_seconds(run, time):
    await run(*[ValueError()] * 30, snapshot(1), ValueError(), ValueError())
    assert 0.05 <= time.pauses[0] <= 0.1
    assert all(5 <= pause <= 10 for pause in time.pauses[10:30])
    assert time.pauses[30] <= 0.1


async def test_an_error_is_logged_at_its_start_change_and_end(run, caplog):
    unreachable, broken = OSError("refused"), ValueError("broken")
    await run(unreachable, unreachable, snapshot(1), *[unreachable] * 9, *[broken] * 9, snapshot(1))
    assert caplog.messages == [
        "web: no usable response from the registry: OSError: refused",
        "web: the registry responds again",
        "web: no usable response from the registry: OSError: refused",
        "web: no usable response from the registry: ValueError: broken",
        "web: the registry responds again",
    ]


async def test_changes_are_delivered_without_a_pause(run, time):
    _, events, _ = await run(*[snapshot(*range(count)) for count in range(1, 201)])
    assert (len(events), time.pauses) == (200, [])


async def test_each_change_may_be_accompanied_by_responses_without_one(run, time):
    await run(*[snapshot(*range(count)) for count in range(1, 51) for _ in range(3)])
    assert time.pauses == []


async def test_responses_without_a_change_are_slowed_down_to_one_per_second(run, time):
    watch, _, _ = await run(*[snapshot(1)] * 14)
    assert time.pauses == [1.0] * 10
    assert watch.status.guards["throttled"] == 10


async def test_alternation_between_error_and_response_is_slowed_down_too(run, time):
    await run(*[snapshot(1), ValueError()] * 20)
    assert sum(time.pauses) >= 17
