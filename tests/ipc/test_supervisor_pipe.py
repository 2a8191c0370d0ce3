import asyncio
import socket

import pytest

from pylb.ipc.supervisor_pipe import SupervisorPipe
from tests.until import until


@pytest.fixture
def ends():
    made = [*map(SupervisorPipe, socket.socketpair())]
    yield made
    for one in made:
        one.close()


def test_words_go_both_ways_and_the_end_is_heard(ends):
    here, there = ends
    assert here.hear() == []
    there.tell("starting")
    there.tell("serving")
    here.tell("draining")
    assert (here.hear(), there.hear()) == (["starting", "serving"], ["draining"])
    there.tell("stopped")
    there.close()
    assert here.hear() == ["stopped"]
    assert here.hear() is None
    here.tell("anybody?")


def test_nobody_listens_for_a_long_time(ends):
    here, _ = ends
    for _ in range(100_000):
        here.tell("serving")


async def test_a_loop_calls_for_each_word_and_at_the_end(ends):
    here, there = ends
    heard, alone = [], []
    here.listen(asyncio.get_running_loop(), heard.append, lambda: alone.append(True))
    there.tell("serving")
    there.tell("leaving")
    await until(lambda: heard == ["serving", "leaving"])
    assert not alone
    there.close()
    await until(lambda: alone)
    await asyncio.sleep(0)
    assert alone == [True]


def test_one_can_wait_for_the_first_word_and_it_is_still_to_be_heard(ends):
    here, there = ends
    there.tell("serving")
    here.wait()
    assert here.hear() == ["serving"]
    there.close()
    here.wait()
    assert here.hear() is None
