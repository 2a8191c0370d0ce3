import asyncio

import pytest

from pylb.ipc.message_queue import SLICE, MessageQueue
from tests.until import until


class Handled:
    """Handles a message in as many steps as it has, each of which takes so many seconds of its clock."""

    def __init__(self):
        self.done = []
        self.now = 0.0
        self.step = 0.0

    def handle(self, kind, content):
        for number in range(content):
            if kind == "wrong":
                raise ValueError(kind)
            self.now += self.step
            self.done.append((kind, number))
            yield


@pytest.fixture
def handled():
    return Handled()


@pytest.fixture
def messages(handled):
    return MessageQueue(handled.handle, lambda: handled.now)


async def test_messages_are_handled_in_their_order_in_the_next_iteration(messages, handled):
    for kind, steps in (("a", 2), ("none", 0), ("b", 1)):
        messages.put(kind, steps)
    assert handled.done == []
    await asyncio.sleep(0)
    assert handled.done == [("a", 0), ("a", 1), ("b", 0)]
    messages.put("c", 1)
    await asyncio.sleep(0)
    assert handled.done[-1] == ("c", 0)


async def test_other_work_is_done_between_slices(messages, handled):
    handled.step = SLICE / 2 * 1.1
    messages.put("a", 5)
    messages.put("b", 1)
    seen = []
    while len(handled.done) < 6:
        await asyncio.sleep(0)
        seen.append(len(handled.done))
    assert seen == [2, 4, 6]


@pytest.mark.logs_error("wrong")
async def test_a_message_that_cannot_be_handled_does_not_stop_the_others(messages, handled):
    messages.put("wrong", 1)
    messages.put("b", 1)
    await until(lambda: handled.done)
    assert handled.done == [("b", 0)]


async def test_what_is_dropped_is_not_handled(messages, handled):
    handled.step = SLICE * 2
    messages.put("a", 3)
    messages.put("b", 1)
    await asyncio.sleep(0)
    messages.clear()
    messages.put("c", 1)
    await until(lambda: ("c", 0) in handled.done)
    assert handled.done == [("a", 0), ("c", 0)]
