"""One batch: all reads, then the requests, then all writes in order, each independent of the others."""

import asyncio

import pytest

from pylb.config.clients import Limits
from pylb.http1.head_cache import ResponseReader
from pylb.observe.record import Record
from pylb.policy.backend import Backend
from pylb.proxy.batch import BATCH_LIMIT, INLINE_LIMIT, WriteBatch
from pylb.proxy.transfer import Connection
from pylb.proxy.upstream.h1 import H1Upstream
from pylb.proxy.upstream.pending_transport import PendingTransport
from tests.policy.backends import endpoint


class Wire(asyncio.Transport):
    """Records writes; a broken one raises."""

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


def connected(batch, name, sent):
    stream = Connection(batch)
    stream.connection_made(Wire(name, sent))
    return stream


@pytest.fixture
def streams(sent):
    """Clients of one event loop."""
    batch = WriteBatch(print)
    return [connected(batch, name, sent) for name in range(3)]


async def test_queued_messages_are_written_at_the_end_of_the_batch(streams, sent):
    for stream in streams[:3]:
        stream.queue_write(b"hello")
    assert not sent
    await asyncio.sleep(0)
    assert sent == [(0, b"hello"), (1, b"hello"), (2, b"hello")]
    streams[0].queue_write(b"again")
    await asyncio.sleep(0)
    assert sent[3:] == [(0, b"again")], "the next turn has an end, too"


class Answering:
    """A client that queues a response when it is resumed."""

    def __init__(self, stream, sent):
        self.stream = stream
        self.sent = sent
        self.sent_when_woken = None

    def wake(self):
        self.sent_when_woken = len(self.sent)
        self.stream.queue_write(b"hello")


async def test_requests_run_after_all_reads_and_responses_are_written_together(sent):
    batch = WriteBatch(print)
    clients = [Answering(connected(batch, name, sent), sent) for name in range(3)]
    for client in clients:
        batch.wake(client)
    assert {client.sent_when_woken for client in clients} == {None}
    await asyncio.sleep(0)
    assert {client.sent_when_woken for client in clients} == {0}, (
        "no answer left before the last one was there"
    )
    assert sent == [(name, b"hello") for name in range(3)]


async def test_a_batch_has_a_limit(sent):
    batch = WriteBatch(print)
    clients = [Answering(connected(batch, name, sent), sent) for name in range(BATCH_LIMIT + 1)]
    for client in clients[: BATCH_LIMIT - 1]:
        batch.wake(client)
    assert not sent
    batch.wake(clients[BATCH_LIMIT - 1])
    assert len(sent) == BATCH_LIMIT
    batch.wake(clients[BATCH_LIMIT])
    assert len(sent) == BATCH_LIMIT
    await asyncio.sleep(0)
    assert len(sent) == BATCH_LIMIT + 1
    batch.wake(clients[0])
    await asyncio.sleep(0)
    assert len(sent) == BATCH_LIMIT + 2, "the next turn has an end, too"


async def test_one_connection_continues_in_each_iteration_after_the_writes(sent):
    """However many connections send floods, the others wait for the frames of one of them."""
    batch = WriteBatch(print)
    calls = []
    for name in ("first", "second", "third"):
        batch.defer(lambda name=name: calls.append((name, len(sent))))
    batch.wake(Answering(connected(batch, 0, sent), sent))
    assert calls == []
    await asyncio.sleep(0)
    assert calls == [("first", 1)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert [name for name, _ in calls] == ["first", "second", "third"]
    assert not batch.scheduled


@pytest.mark.parametrize("data", [b"at once", b"x" * (INLINE_LIMIT + 1)])
async def test_immediate_writes_do_not_overtake_queued_ones(streams, sent, data):
    stream = streams[0]
    stream.queue_write(b"first")
    if len(data) > INLINE_LIMIT:
        stream.queue_write(data)
    else:
        stream.write(data)
    assert sent == [(0, b"first"), (0, data)]
    await asyncio.sleep(0)
    assert len(sent) == 2


async def test_a_closed_connection_is_not_written_to(streams, sent):
    streams[0].queue_write(b"hello")
    streams[1].queue_write(b"hello")
    streams[0].lost = True
    streams[0].flush()
    await asyncio.sleep(0)
    assert sent == [(1, b"hello")]


async def test_a_message_can_be_written_before_the_batch(streams, sent):
    for stream in (streams[0], streams[1], streams[0]):
        stream.queue_write(b"hello")
    streams[0].flush()
    assert sent == [(0, b"hello")] * 2
    await asyncio.sleep(0)
    assert sent[2:] == [(1, b"hello")]


@pytest.mark.logs_error("a defect ended a connection")
async def test_a_failed_request_does_not_affect_the_others(streams, sent, caplog):
    broken = streams[1].transport
    broken.broken = True
    for stream in streams[:3]:
        stream.queue_write(b"hello")
    await asyncio.sleep(0)
    assert sent == [(0, b"hello"), (2, b"hello")]
    assert broken.aborted
    assert "a defect ended a connection" in caplog.text


class Ending:
    """A client whose request ends when it is resumed."""

    def __init__(self, batch, stream):
        self.batch = batch
        self.stream = stream

    def wake(self):
        self.stream.queue_write(b"hello")
        self.record = Record("192.0.2.7", 1.0)
        self.batch.observe(self.record)


async def test_ended_requests_are_observed_after_the_writes(sent):
    observed = []
    batch = WriteBatch(lambda record: observed.append((record, len(sent))))
    clients = [Ending(batch, connected(batch, name, sent)) for name in range(2)]
    for client in clients:
        batch.wake(client)
    await asyncio.sleep(0)
    assert observed == [(client.record, 2) for client in clients]
    between = Record("192.0.2.7", 1.0)
    batch.observe(between)
    assert observed[2:] == [(between, 2)], "what ends by itself is not waited for"


def test_a_record_ends_when_it_is_observed_unless_it_has_ended_before():
    batch = WriteBatch(lambda _: None)
    before, now = Record("192.0.2.7", 1.0), Record("192.0.2.7", 1.0)
    before.finished = 2.0
    for record in (before, now):
        batch.observe(record)
    assert before.finished == 2.0
    assert now.finished > 2.0


@pytest.mark.logs_error(r"a defect kept a request from being counted")
async def test_an_error_of_a_sink_does_not_affect_other_requests(sent, caplog):
    observed = []

    def observe(record):
        observed.append(record)
        raise ValueError(record)

    batch = WriteBatch(observe)
    clients = [Ending(batch, connected(batch, name, sent)) for name in range(2)]
    for client in clients:
        batch.wake(client)
    await asyncio.sleep(0)
    assert observed == [client.record for client in clients]
    assert "a defect kept a request from being counted" in caplog.text


class Waiting:
    """A client that waits for its backend."""

    def __init__(self):
        self.awake = 0

    def wake(self):
        self.awake += 1


async def test_a_large_response_is_read_after_its_destination_is_known():
    client = Waiting()
    batch, responses = WriteBatch(print), ResponseReader(Limits())
    upstream = H1Upstream(Backend(endpoint(1)), client, batch, responses, PendingTransport(-1))
    upstream.data_received(b"x" * INLINE_LIMIT)
    assert not client.awake
    upstream.data_received(b"x" * (INLINE_LIMIT + 1))
    assert client.awake == 1
    await asyncio.sleep(0)
    assert client.awake == 2, "for what was small"
