import asyncio
import contextlib
import logging

import pytest

from pylb.discovery.guard import Guard
from pylb.discovery.status import WatchStatus
from pylb.discovery.watch import PATIENCE, Watch, difference
from pylb.model import Endpoint, Excluded, Snapshot
from tests.discovery.snapshots import endpoint, numbers, snapshot
from tests.until import until

END = object()
"""In a script: the provider returns, which it never should."""


class ScriptedProvider:
    """Yields snapshots, raises exceptions; at the end of the script it waits for more."""

    def __init__(self, *script):
        self.script = asyncio.Queue()
        self.then(*script)
        self.lives = 0

    def then(self, *steps):
        for step in steps:
            self.script.put_nowait(step)

    @property
    def done(self):
        return self.script.empty()

    async def watch(self):
        self.lives += 1
        while True:
            step = await self.script.get()
            if isinstance(step, Exception):
                raise step
            if step is END:
                return
            yield step


class Time:
    """A clock that moves only when somebody sleeps."""

    def __init__(self):
        self.now = 1000.0
        self.naps = []

    def clock(self):
        return self.now

    async def sleep(self, seconds):
        self.naps.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


@pytest.fixture
def time():
    return Time()


@pytest.fixture
async def run(time):
    """Run a watch over a script; returns the watch, what it delivered, and its provider."""
    tasks = []

    def start(*script, guard=None, deliver=None, **options):
        provider = ScriptedProvider(*script)
        status = WatchStatus("web")
        delivered = []
        options = {"clock": time.clock, "sleep": time.sleep, **options}
        watch = Watch(
            provider,
            deliver or delivered.append,
            status=status,
            guard=guard or Guard(status.guards),
            **options,
        )
        tasks.append(asyncio.get_running_loop().create_task(watch.run()))
        return watch, delivered, provider

    yield start
    for task in tasks:
        assert not task.done(), "a watch never ends"
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def read(provider):
    """Wait until the script has been read, and its last step acted upon."""
    await until(lambda: provider.done)
    for _ in range(5):
        await asyncio.sleep(0)


async def test_what_differs_is_delivered_with_its_generation_and_cause(run):
    watch, delivered, provider = run(snapshot(1), snapshot(1), snapshot(1, 2), snapshot(2))
    await read(provider)
    assert [(numbers(s), s.generation, s.cause) for s in delivered] == [
        ([1], 1, "test: +web-1"),
        ([1, 2], 2, "test: +web-2"),
        ([2], 3, "test: -web-1"),
    ]
    assert (watch.status.generation, watch.status.instances, watch.current) == (3, 1, delivered[-1])


async def test_another_output_of_a_check_is_no_change(run):
    def ill(reason):
        return Snapshot("web", (endpoint(1),), (Excluded(endpoint(2, status="critical"), reason),))

    _, delivered, provider = run(ill("refused"), ill("timed out"), ill("refused"))
    await read(provider)
    assert len(delivered) == 1


async def test_pending_until_the_first_answer(run, time):
    watch, delivered, provider = run(OSError("refused"))
    await read(provider)
    assert (watch.status.pending, watch.status.age(time.now), delivered) == (True, None, [])
    provider.then(snapshot())
    await read(provider)
    assert (watch.status.pending, watch.status.age(time.now + 3), [numbers(s) for s in delivered]) == (
        False,
        3,
        [[]],
    )


@pytest.mark.parametrize("first", [snapshot(1), OSError("refused")])
async def test_with_the_first_answer_or_failure_it_has_looked(run, first):
    watch, _, provider = run()
    assert not watch.first_result.is_set()
    provider.then(first)
    await read(provider)
    assert watch.first_result.is_set()


async def test_a_registry_that_hangs_is_not_waited_for(run):
    watch, _, _ = run()
    await until(watch.first_result.is_set, 2 * PATIENCE + 1)


async def test_whatever_is_raised_the_last_snapshot_stays_and_the_watch_goes_on(run, time):
    errors = [ValueError("bad"), OSError("refused"), TimeoutError(), RuntimeError(), END, KeyError("x")] * 20
    watch, delivered, provider = run(snapshot(1), *errors, snapshot(1, 2))
    await read(provider)
    assert [numbers(s) for s in delivered] == [[1], [1, 2]]
    assert (provider.lives, watch.status.errors, watch.status.error) == (121, 120, "")


async def test_that_no_instance_is_listed_is_logged_once_with_the_reason(run, caplog):
    ill = Snapshot("web", (), (Excluded(endpoint(1, status="critical"), "refused"),))
    watch, _, provider = run(snapshot(), snapshot())
    await read(provider)
    assert watch.status.missing
    watch.status.missing = "Consul knows http; did you mean http?"
    provider.then(snapshot(), snapshot())
    await read(provider)
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert warnings == [
        "web: no instance is registered: none is there yet, or it has another name",
        "web: no instance is registered: Consul knows http; did you mean http?",
    ]
    provider.then(ill)
    await read(provider)
    assert watch.status.missing == ""


@pytest.mark.logs_error(r"web: could not be delivered")
async def test_what_could_not_be_delivered_is_known_until_a_change_is(run, caplog):
    delivered = []

    def deliver(found):
        if 2 in numbers(found):
            raise TypeError("too large")
        delivered.append(found)

    watch, _, provider = run(snapshot(1), snapshot(1, 2), deliver=deliver)
    await read(provider)
    assert (watch.status.undelivered, watch.status.instances) == ("TypeError: too large", 1)
    provider.then(snapshot(1, 3))
    await read(provider)
    assert (watch.status.undelivered, watch.status.instances) == ("", 2)


async def test_between_errors_it_backs_off_up_to_ten_seconds(run, time):
    _, _, provider = run(*[ValueError()] * 30, snapshot(1), ValueError())
    await read(provider)
    assert 0.05 <= time.naps[0] <= 0.1
    assert all(5 <= nap <= 10 for nap in time.naps[10:30])
    assert time.naps[30] <= 0.1


async def test_an_error_is_logged_when_it_begins_changes_and_ends_not_at_each_try(run, caplog):
    caplog.set_level(logging.INFO, "pylb.discovery")
    refused, broken = OSError("refused"), ValueError("broken")
    _, _, provider = run(refused, refused, snapshot(1), *[refused] * 9, *[broken] * 9, snapshot(1))
    await read(provider)
    assert caplog.messages == [
        "web: OSError: refused; nothing is known yet",
        "web: the registry answers again",
        "web: generation 1, 1 up, test: +web-1",
        "web: OSError: refused; keeping what is known",
        "web: ValueError: broken; keeping what is known",
        "web: the registry answers again",
    ]


async def test_real_changes_are_followed_without_any_pause(run, time):
    changes = [snapshot(*range(count)) for count in range(1, 201)]
    _, delivered, provider = run(*changes)
    await read(provider)
    assert (len(delivered), time.naps) == (200, [])


async def test_each_change_may_be_accompanied_by_answers_without_one(run, time):
    script = [snapshot(*range(count)) for count in range(1, 51) for _ in range(3)]
    _, delivered, provider = run(*script)
    await read(provider)
    assert (len(delivered), time.naps) == (50, [])


async def test_answers_without_change_are_slowed_down_to_one_per_second(run, time):
    watch, delivered, provider = run(*[snapshot(1)] * 13)
    await read(provider)
    assert (len(delivered), time.naps) == (1, [1.0] * 10)
    assert watch.status.guards["throttled"] == 10


async def test_flapping_between_error_and_answer_is_slowed_down_too(run, time):
    _, _, provider = run(*[snapshot(1), ValueError()] * 20)
    await read(provider)
    assert sum(time.naps) >= 17


@pytest.mark.logs_error(r"could not be delivered: .*\n(?:.*\n)*RuntimeError: the pool is on fire")
async def test_a_failed_delivery_is_made_good_by_the_next_answer(run, caplog):
    taken = []

    def deliver(snapshot):
        if not taken:
            taken.append(None)
            raise RuntimeError("the pool is on fire")
        taken.append(snapshot)

    watch, _, provider = run(snapshot(1), snapshot(1), deliver=deliver)
    await read(provider)
    assert [numbers(s) for s in taken[1:]] == [[1]]
    assert watch.status.errors == 0
    assert "the pool is on fire" in caplog.text


async def test_an_empty_answer_after_an_error_empties_nothing(run):
    watch, delivered, provider = run(snapshot(1, 2), OSError("refused"), snapshot(), snapshot())
    await read(provider)
    assert [numbers(s) for s in delivered] == [[1, 2]]
    assert (watch.status.retained, watch.status.untrusted_reason) == (
        2,
        "contact was lost (OSError: refused)",
    )
    assert watch.status.guards["held_doubtful"] == 1


async def test_an_error_before_the_first_answer_casts_no_doubt(run):
    watch, delivered, provider = run(OSError("refused"), snapshot(1), snapshot())
    await read(provider)
    assert [numbers(s) for s in delivered] == [[1], []]
    assert watch.status.retained == 0


async def test_what_was_kept_is_let_go_in_time_without_another_answer(run):
    guard = Guard(WatchStatus("web").guards, empty_guard=0.03)
    loop = asyncio.get_running_loop()
    _, delivered, provider = run(snapshot(1), snapshot(critical=[1]), guard=guard, clock=loop.time)
    await read(provider)
    assert len(delivered) == 1
    await until(lambda: len(delivered) == 2)
    assert numbers(delivered[-1]) == []


async def test_nothing_is_let_go_while_the_registry_cannot_be_asked(run):
    guard = Guard(WatchStatus("web").guards, empty_guard=0.03)
    loop = asyncio.get_running_loop()
    doubtful = snapshot(1, 2, untrusted_reason="stale")
    _, delivered, provider = run(snapshot(1, 2, 3), doubtful, OSError(), guard=guard, clock=loop.time)
    await read(provider)
    end = loop.time() + 0.12
    await until(lambda: loop.time() > end)
    assert len(delivered) == 1


async def test_an_ended_watch_leaves_no_timer_behind(time):
    guard = Guard(WatchStatus("web").guards, empty_guard=0.03)
    provider = ScriptedProvider(snapshot(1), snapshot(critical=[1]))
    delivered = []
    loop = asyncio.get_running_loop()
    watch = Watch(provider, delivered.append, status=WatchStatus("web"), guard=guard)
    task = loop.create_task(watch.run())
    await until(lambda: guard.retained)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    end = loop.time() + 0.06
    await until(lambda: loop.time() > end)
    assert len(delivered) == 1


def test_a_difference_in_words():
    old, new = snapshot(1, 2), Snapshot("web", (endpoint(2, weight=5), endpoint(3)))
    assert difference(old, new) == "+web-3 ~web-2 -web-1"
    assert difference(None, snapshot()) == "no instance"
    assert difference(old, old) == "only what takes no requests"
    many = Snapshot("web", tuple(Endpoint("web", "a", n, id=str(n)) for n in range(1, 100)))
    assert difference(None, many).endswith("+9 +10 and 89 more")


async def test_departures_are_counted_and_logged_with_their_causes(run, caplog):
    caplog.set_level(logging.INFO, "pylb.discovery")
    watch, _, provider = run(snapshot(1, 2, 3), snapshot(3, critical=(1,)), snapshot(maintenance=(3,)))
    await read(provider)
    assert watch.status.removals == {"deregistered": 1, "unfit": 2}
    assert watch.status.guards["emptied"] == 1
    assert "web-1 gets no more requests: critical" in caplog.text
    assert "web-2 gets no more requests: deregistered" in caplog.text
