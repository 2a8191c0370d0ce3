import asyncio
import time

from pylb.worker import steps
from pylb.worker.steps import run_in_steps
from tests.until import until


async def test_long_work_yields_to_the_event_loop(monkeypatch):
    monkeypatch.setattr(steps, "BUDGET", 0.0)
    done, others = [], []

    def work():
        for number in range(5):
            done.append(number)
            yield
            time.sleep(0.001)

    run_in_steps(work())
    asyncio.get_running_loop().call_soon(lambda: others.append(len(done)))
    await until(lambda: len(done) == 5 and others)
    assert others[0] < 5


async def test_short_work_is_done_at_once_and_no_work_is_none():
    done = []
    run_in_steps(done.append(number) for number in range(5))
    run_in_steps(None)
    assert done == [0, 1, 2, 3, 4]
