import asyncio
import contextlib

import pytest

from pylb.runtime.concurrently import run_all


async def forever(started=None, then=None):
    """Wait until cancelled; then raise `then`, if given."""
    try:
        if started is not None:
            started.set()
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        if then is not None:
            raise then from None
        raise


async def test_the_group_ends_when_all_tasks_have_ended():
    ended = []

    async def work(name):
        await asyncio.sleep(0)
        ended.append(name)

    await run_all({"a": work("a"), "b": work("b")})
    await run_all({})
    assert ended == ["a", "b"]


async def test_a_failed_task_ends_the_group():
    started = asyncio.Event()

    async def fail():
        await started.wait()
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await run_all({"forever": forever(started), "fail": fail()})
    assert len(asyncio.all_tasks()) == 1


async def test_a_cancellation_is_never_lost_although_a_task_fails_at_the_same_time():
    started = asyncio.Event()
    task = asyncio.get_running_loop().create_task(run_all({"a": forever(started, ValueError())}))
    await started.wait()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert task.cancelled()
