"""In a turn all is read, then requests run on, then answers leave, in order and each for itself."""

import asyncio
from types import SimpleNamespace

import pytest

from pylb.policy.backend import Backend
from pylb.proxy.flow import Stream
from pylb.proxy.opening import Opening
from pylb.proxy.turn import MOST, SMALL, Turn
from pylb.proxy.upstream import Upstream
from tests.policy.backends import endpoint


class Wire(asyncio.Transport):
    """Writes down who sent what; one that is broken fails."""

    def __init__(self, name, sent, *, broken=False):
        super().__init__()
        self.name = name
        self.sent = sent
        self.broken = broken
        self.aborted = False

    def write(self, data):
        if self.broken:
            raise RuntimeError("the handler is closed")
        self.sent.append((self.name, bytes(data)))

    def abort(self):
        self.aborted = True


@pytest.fixture
def sent():
    return []


def connected(turn, name, sent):
    stream = Stream(turn)
    stream.connection_made(Wire(name, sent))
    return stream


@pytest.fixture
def streams(sent):
    """Some of one loop."""
    turn = Turn(print)
    return [connected(turn, name, sent) for name in range(3)]


async def test_what_is_posted_leaves_when_the_turn_ends(streams, sent):
    for stream in streams[:3]:
        stream.post(b"hello")
    assert not sent
    await asyncio.sleep(0)
    assert sent == [(0, b"hello"), (1, b"hello"), (2, b"hello")]
    streams[0].post(b"again")
    await asyncio.sleep(0)
    assert sent[3:] == [(0, b"again")], "the next turn has an end, too"


class Answering:
    """A client that posts an answer when it is woken."""

    def __init__(self, stream, sent):
        self.stream = stream
        self.sent = sent
        self.sent_when_woken = None

    def wake(self):
        self.sent_when_woken = len(self.sent)
        self.stream.post(b"hello")


async def test_requests_run_on_when_all_that_arrived_is_read_and_their_answers_leave_together(sent):
    turn = Turn(print)
    clients = [Answering(connected(turn, name, sent), sent) for name in range(3)]
    for client in clients:
        turn.wake(client)
    assert {client.sent_when_woken for client in clients} == {None}
    await asyncio.sleep(0)
    assert {client.sent_when_woken for client in clients} == {0}, (
        "no answer left before the last one was there"
    )
    assert sent == [(name, b"hello") for name in range(3)]


async def test_so_many_and_no_more_wait_for_each_other(sent):
    turn = Turn(print)
    clients = [Answering(connected(turn, name, sent), sent) for name in range(MOST + 1)]
    for client in clients[: MOST - 1]:
        turn.wake(client)
    assert not sent
    turn.wake(clients[MOST - 1])
    assert len(sent) == MOST
    turn.wake(clients[MOST])
    assert len(sent) == MOST
    await asyncio.sleep(0)
    assert len(sent) == MOST + 1
    turn.wake(clients[0])
    await asyncio.sleep(0)
    assert len(sent) == MOST + 2, "the next turn has an end, too"


@pytest.mark.parametrize("data", [b"at once", b"x" * (SMALL + 1)])
async def test_what_leaves_at_once_does_not_overtake_what_was_posted(streams, sent, data):
    stream = streams[0]
    stream.post(b"first")
    if len(data) > SMALL:
        stream.post(data)
    else:
        stream.write(data)
    assert sent == [(0, b"first"), (0, data)]
    await asyncio.sleep(0)
    assert len(sent) == 2


async def test_what_is_lost_meanwhile_is_not_written_to(streams, sent):
    streams[0].post(b"hello")
    streams[1].post(b"hello")
    streams[0].lost = True
    streams[0].flush()
    await asyncio.sleep(0)
    assert sent == [(1, b"hello")]


async def test_one_may_leave_before_the_others(streams, sent):
    for stream in (streams[0], streams[1], streams[0]):
        stream.post(b"hello")
    streams[0].flush()
    assert sent == [(0, b"hello")] * 2
    await asyncio.sleep(0)
    assert sent[2:] == [(1, b"hello")]


@pytest.mark.logs_error("a defect ended a connection")
async def test_one_that_fails_does_not_take_the_others_with_it(streams, sent, caplog):
    broken = streams[1].transport
    broken.broken = True
    for stream in streams[:3]:
        stream.post(b"hello")
    await asyncio.sleep(0)
    assert sent == [(0, b"hello"), (2, b"hello")]
    assert broken.aborted
    assert "a defect ended a connection" in caplog.text


class Ending:
    """A client whose request ends when it is woken."""

    def __init__(self, turn, stream):
        self.turn = turn
        self.stream = stream

    def wake(self):
        self.stream.post(b"hello")
        self.turn.observe("record")


async def test_what_ends_in_a_turn_is_observed_when_its_answers_have_left(sent):
    observed = []
    turn = Turn(lambda record: observed.append((record, len(sent))))
    for name in range(2):
        turn.wake(Ending(turn, connected(turn, name, sent)))
    await asyncio.sleep(0)
    assert observed == [("record", 2), ("record", 2)]
    turn.observe("between")
    assert observed[2:] == [("between", 2)], "what ends by itself is not waited for"


@pytest.mark.logs_error(r"a defect kept a request from being counted")
async def test_a_request_that_cannot_be_counted_does_not_keep_others_from_it(sent, caplog):
    observed = []

    def observe(record):
        observed.append(record)
        raise ValueError(record)

    turn = Turn(observe)
    for name in range(2):
        turn.wake(Ending(turn, connected(turn, name, sent)))
    await asyncio.sleep(0)
    assert observed == ["record", "record"]
    assert "a defect kept a request from being counted" in caplog.text


class Waiting:
    """A client that waits for its backend."""

    def __init__(self):
        self.plane = SimpleNamespace(turn=Turn(print))
        self.awake = 0

    def wake(self):
        self.awake += 1


async def test_of_a_large_answer_no_more_is_read_before_it_is_known_where_it_is_to_go():
    client = Waiting()
    upstream = Upstream(Backend(endpoint(1)), client, Opening(-1))
    upstream.data_received(b"x" * SMALL)
    assert not client.awake
    upstream.data_received(b"x" * (SMALL + 1))
    assert client.awake == 1
    await asyncio.sleep(0)
    assert client.awake == 2, "for what was small"
