import asyncio
import logging

import pytest

from pylb.runtime.lifecycle import Lifecycle, ProcessState, TaskScope, keep_running, spawn
from tests.until import until

STARTING, SERVING, LEAVING, DRAINING, STOPPED = ProcessState


async def forever(log=None):
    try:
        await asyncio.Event().wait()
    finally:
        if log is not None:
            log.append("ended")


async def crash():
    raise KeyError("boom")


async def test_each_state_is_entered_once_and_logged(caplog):
    life = Lifecycle("worker 1")
    with caplog.at_level(logging.INFO, "pylb"):
        for state in ProcessState:
            life.advance(state)
            life.advance(state)
            assert life.state is state
            assert life.serving is (state is SERVING)
    assert [r.getMessage() for r in caplog.records] == [
        f"worker 1 is {state.word}: {state.sentence}" for state in (SERVING, LEAVING, DRAINING, STOPPED)
    ]
    assert len({state.sentence for state in ProcessState}) == 5


@pytest.mark.parametrize(("now", "back"), [(SERVING, STARTING), (DRAINING, SERVING), (STOPPED, DRAINING)])
async def test_the_state_never_moves_back(now, back):
    life = Lifecycle()
    life.advance(now)
    with pytest.raises(ValueError, match=f"pylb is {now.word} and cannot become {back.word} again"):
        life.advance(back)
    assert life.state is now


async def test_wait_returns_immediately_for_past_states_and_later_for_future_ones():
    life = Lifecycle()
    assert await life.wait(STARTING) is STARTING
    waiter = asyncio.ensure_future(life.wait(SERVING))  # noqa: TID251
    await asyncio.sleep(0)
    assert not waiter.done()
    life.advance(SERVING)
    assert await waiter is SERVING


async def test_waiting_for_a_skipped_state_ends():
    life = Lifecycle()
    waiters = asyncio.gather(life.wait(SERVING), life.wait(STOPPED))
    await asyncio.sleep(0)
    life.advance(STOPPED)
    assert await waiters == [STOPPED, STOPPED]


async def test_a_task_has_a_name_and_a_result_and_is_removed_from_its_scope():
    async def answer():
        return 42

    async with TaskScope("test") as scope:
        task = spawn(answer(), name="watch web", scope=scope)
        assert task.get_name() == "watch web"
        assert scope.tasks == {task}
        assert await task == 42
        await asyncio.sleep(0)
        assert scope.tasks == set()


async def test_closing_a_scope_cancels_its_tasks_and_waits_for_their_cleanup():
    log = []
    async with TaskScope("test") as scope:
        tasks = [spawn(forever(log), name=str(i), scope=scope) for i in range(3)]
        await asyncio.sleep(0)
    assert log == ["ended"] * 3
    assert all(task.cancelled() for task in tasks)


@pytest.mark.logs_error(r"task 'watch web' crashed: KeyError")
async def test_a_crash_is_logged_and_does_not_affect_other_tasks(caplog):
    async with TaskScope("control") as scope:
        sibling = spawn(forever(), name="sibling", scope=scope)
        await asyncio.wait([spawn(crash(), name="watch web", scope=scope)])
        await asyncio.sleep(0)
        assert not sibling.done()
    (record,) = caplog.records
    assert record.getMessage() == "control: task 'watch web' crashed: KeyError('boom')"
    assert record.name == "pylb"
    assert record.exc_info


async def test_a_cancellation_is_not_a_crash(caplog):
    async with TaskScope("control") as scope:
        spawn(forever(), name="sibling", scope=scope)
        await asyncio.sleep(0)
    assert not caplog.records


async def test_a_closed_scope_spawns_no_task():
    scope = TaskScope("control")
    await scope.close()
    with pytest.raises(RuntimeError, match="control has ended, it cannot start 'late'"):
        spawn(forever(), name="late", scope=scope)


async def test_a_task_may_close_its_own_scope():
    scope = TaskScope("control")
    sibling = spawn(forever(), name="sibling", scope=scope)
    await spawn(scope.close(), name="closer", scope=scope)
    assert sibling.cancelled()


class Flaky:
    """A background task that crashes a given number of times and then continues."""

    def __init__(self, *crashes):
        self.crashes = list(crashes)
        self.running = asyncio.Event()
        self.ended = False

    async def run(self):
        if self.crashes:
            raise self.crashes.pop(0)
        self.running.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended = True


@pytest.mark.parametrize(
    "crash", [UnicodeError("label too long"), ExceptionGroup("", [KeyError()]), asyncio.CancelledError()]
)
@pytest.mark.logs_error(r"task 'probe' crashed: ")
async def test_a_crashed_background_task_is_restarted_and_reported(caplog, crash):
    work = Flaky(crash)
    async with TaskScope("control") as scope:
        keep_running(work.run, name="probe", scope=scope)
        await asyncio.wait_for(work.running.wait(), 5)
        (problem,) = scope.crashes.problems()
        assert problem.startswith("the background task 'probe' crashed 0 s ago: " + type(crash).__name__)
    assert work.ended
    (record,) = caplog.records
    assert record.getMessage().startswith("control: task 'probe' crashed: ")
    assert record.exc_info


@pytest.mark.logs_error(r"task 'probe' crashed: KeyError")
async def test_restarts_have_back_off():
    loop = asyncio.get_running_loop()
    starts = []

    async def work():
        starts.append(loop.time())
        raise KeyError

    async with TaskScope("control") as scope:
        keep_running(work, name="probe", scope=scope)
        await until(lambda: len(starts) == 4)
        assert "crashed 4 times, last 0 s ago: KeyError" in next(iter(scope.crashes.problems()))
    assert starts[1] - starts[0] >= 0.05
    assert starts[3] - starts[2] >= 0.2


async def test_a_finished_background_task_is_not_restarted():
    async with TaskScope("control") as scope:
        task = keep_running(lambda: asyncio.sleep(0), name="follow control", scope=scope)
        await task
        assert [*scope.crashes.problems()] == []


@pytest.mark.logs_error(r"task 'greet worker 1' crashed: KeyError")
async def test_a_crash_of_a_one_time_task_is_reported():
    async with TaskScope("control") as scope:
        await asyncio.wait([spawn(crash(), name="greet worker 1", scope=scope)])
        await asyncio.sleep(0)
        assert "'greet worker 1' crashed" in next(iter(scope.crashes.problems()))


async def test_a_task_that_fails_during_its_cancellation_is_not_restarted(caplog):
    started = asyncio.Event()

    async def fail_when_cancelled():
        try:
            started.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ValueError("in the middle of something") from None

    async def work():
        async with asyncio.TaskGroup() as group:
            group.create_task(fail_when_cancelled())

    async with TaskScope("control") as scope:
        keep_running(work, name="watch web", scope=scope)
        await started.wait()
        await asyncio.wait_for(scope.close(), 5)
    assert caplog.records == []
