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


def test_messages_pass_in_both_directions_and_eof_is_detected(ends):
    here, there = ends
    assert here.receive() == []
    there.send("starting")
    there.send("serving")
    here.send("draining")
    assert (here.receive(), there.receive()) == (["starting", "serving"], ["draining"])
    there.send("stopped")
    there.close()
    assert here.receive() == ["stopped"]
    assert here.receive() is None
    here.send("anybody?")


def test_messages_are_buffered(ends):
    here, _ = ends
    for _ in range(100_000):
        here.send("serving")


async def test_the_loop_calls_back_for_each_message_and_at_eof(ends):
    here, there = ends
    heard, alone = [], []
    here.listen(asyncio.get_running_loop(), heard.append, lambda: alone.append(True))
    there.send("serving")
    there.send("leaving")
    await until(lambda: heard == ["serving", "leaving"])
    assert not alone
    there.close()
    await until(lambda: alone)
    await asyncio.sleep(0)
    assert alone == [True]


def test_waiting_for_the_first_message_does_not_consume_it(ends):
    here, there = ends
    there.send("serving")
    here.wait()
    assert here.receive() == ["serving"]
    there.close()
    here.wait()
    assert here.receive() is None
