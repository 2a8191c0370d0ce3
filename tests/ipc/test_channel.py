import asyncio
import socket

import orjson
import pytest

from pylb.ipc.channel import LENGTH, LONGEST, Channel
from tests.until import until


@pytest.fixture
async def ends():
    """Opens the two ends of a socket pair as channels; what each heard is listed."""
    opened = []

    async def open_both(*, both=True):
        ours, theirs = socket.socketpair()
        heard = [[], []]
        lost = [asyncio.Event(), asyncio.Event()]
        channels = []
        for place, end in enumerate((ours, theirs)):
            if place and not both:
                channels.append(end)
                continue

            def receive(kind, content, heard=heard[place]):
                heard.append((kind, content))

            channel = Channel(receive, lost[place].set)
            await channel.open(end)
            channels.append(channel)
        opened.extend(c for c in channels if isinstance(c, Channel))
        return channels, heard, lost

    yield open_both
    for channel in opened:
        channel.close()
    await asyncio.sleep(0)


async def test_messages_of_any_size_arrive_completely_and_in_order(ends):
    (here, there), heard, _ = await ends()
    sent = [{"n": n, "filling": "x" * (n * 7919)} for n in range(40)]
    for message in sent:
        here.queue_message("number", str(message["n"]), orjson.dumps(message))
    there.queue_message("word", "", b'"back"')
    await until(lambda: len(heard[1]) == 40 and heard[0])
    assert heard == [[("word", "back")], [("number", message) for message in sent]]


async def test_a_blocked_reader_receives_the_newest_message_of_each_subject(ends):
    (here, there), *_ = await ends(both=False)
    for number in range(500):
        for kind in ("web", "api"):
            here.queue_message(
                "number", kind, orjson.dumps({"of": kind, "n": number, "filling": "x" * 100_000})
            )
        await asyncio.sleep(0)
    assert len(here._queue) == 2
    assert here._transport.get_write_buffer_size() < 200_000
    late = []
    reader = Channel(lambda _, content: late.append((content["of"], content["n"])), list)
    await reader.open(there)
    await until(lambda: ("web", 499) in late and ("api", 499) in late)
    assert len(late) < 20
    reader.close()


async def test_a_message_that_waits_is_encoded_when_it_is_sent(ends):
    (here, there), *_ = await ends(both=False)
    state = [0]
    here.queue_message("filling", "", orjson.dumps("x" * 5_000_000))
    for number in range(1, 4):
        state[0] = number
        here.queue_message("state", "", lambda: orjson.dumps(state))
        here.queue_message("other", str(number), orjson.dumps(number))
    here.queue_message("state", "", lambda: orjson.dumps(state))
    state[0] = 4
    received = []
    reader = Channel(lambda kind, content: received.append((kind, content)), list)
    await reader.open(there)
    await until(lambda: len(received) == 5)
    assert received[1:] == [("other", 1), ("other", 2), ("other", 3), ("state", [4])]
    state[0] = 5
    here.queue_message("state", "", lambda: orjson.dumps(state))
    await until(lambda: len(received) == 6)
    assert received[5] == ("state", [5])
    reader.close()


async def test_the_end_of_one_side_is_reported_to_the_other_once(ends):
    (here, there), _, lost = await ends()
    there.close()
    await asyncio.wait_for(lost[0].wait(), 5)
    here.queue_message("a", "", b"1")
    here.close()


async def test_an_invalid_message_closes_the_connection(ends):
    (_, there), heard, lost = await ends(both=False)
    there.sendall(LENGTH.pack(LONGEST + 1))
    await asyncio.wait_for(lost[0].wait(), 5)
    assert heard[0] == []
    there.close()


async def test_a_received_message_can_be_answered_after_eof():
    """A message may arrive before the code that opens the channel continues."""
    ours, theirs = socket.socketpair()
    with theirs:
        message = orjson.dumps(["update", {"generation": 3}])
        theirs.sendall(LENGTH.pack(len(message)) + message)
        channel = Channel(
            lambda kind, content: channel.queue_message("applied", "web", orjson.dumps(content)), list
        )
        await channel.open(ours)
        theirs.setblocking(False)
        answer = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(theirs, 100), 5)
        assert orjson.loads(answer[LENGTH.size :]) == ["applied", {"generation": 3}]
        channel.close()
        await asyncio.sleep(0)
