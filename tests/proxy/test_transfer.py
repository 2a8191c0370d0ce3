"""Back-pressure, replay, and the order in which the bytes of a body are written."""

import asyncio

import pytest

from pylb.errors import ProxyError
from pylb.http1.bad_request import bad_request
from pylb.http1.body import CHUNKED, IDENTITY, Chunked, Sized, UntilClose, chunk, last_chunk
from pylb.proxy.batch import WriteBatch
from pylb.proxy.transfer import (
    CHUNKS_AT_ONCE,
    EVENT,
    LARGE_READ,
    LARGE_READS_AT_ONCE,
    REPLAY_LIMIT,
    BodyPump,
    Connection,
)
from tests.environment import HOST, Environment, read_chunks
from tests.until import until


class Transport(asyncio.Transport):
    """Records its calls."""

    def __init__(self):
        super().__init__()
        self.written = []
        self.reading = True

    def write(self, data):
        self.written.append(bytes(data))

    def is_closing(self):
        return False

    def pause_reading(self):
        self.reading = False

    def resume_reading(self):
        self.reading = True


class Client:
    """Records the progress of a pump."""

    def __init__(self):
        self.progressed = False
        self.awake = 0
        self.written_when_woken = None
        self.sink = None

    def wake(self):
        self.awake += 1
        if self.sink is not None:
            self.written_when_woken = b"".join(self.sink.transport.written)


class AtOnce(WriteBatch):
    """Runs without a batch."""

    def schedule(self):
        self.run()


def stream():
    made = Connection(AtOnce(print))
    made.connection_made(Transport())
    return made


def pump(decoder, *, encoder=IDENTITY, replay=False):
    source, sink, client = stream(), stream(), Client()
    client.sink = sink
    return BodyPump(source, decoder, encoder, client, replay=replay), source, sink, client


def test_each_event_resumes_once():
    async def waits():
        await EVENT
        return "woken"

    coroutine = waits()
    assert coroutine.send(None) is None
    with pytest.raises(StopIteration) as end:
        coroutine.send(None)
    assert end.value.value == "woken"


def test_a_body_is_written_as_it_arrives_and_its_end_is_reported_last():
    moving, source, sink, client = pump(Sized(10))
    source.recv_buffer = b"hello"
    moving.start(sink, b"HEAD ")
    assert sink.transport.written == [b"HEAD hello"]
    assert not moving.done
    moving.feed(b"world!")
    assert client.written_when_woken == b"HEAD helloworld"
    assert source.recv_buffer == b"!"
    assert moving.moved == 10


def test_chunks_may_be_framed_again():
    moving, source, sink, _ = pump(Chunked(bad_request), encoder=CHUNKED)
    source.recv_buffer = b"3\r\nabc\r\n2;x=y\r\nde\r\n"
    moving.start(sink, b"")
    moving.feed(b"0\r\nX-Sum: 1\r\n\r\n")
    assert b"".join(sink.transport.written) == b"5\r\nabcde\r\n0\r\nX-Sum: 1\r\n\r\n"


def test_a_full_sink_stops_the_source_until_it_has_drained():
    moving, source, sink, _ = pump(UntilClose())
    moving.start(sink, b"")
    sink.pause_writing()
    assert not source.transport.reading
    sink.resume_writing()
    assert source.transport.reading


def test_a_sink_that_is_already_full_stops_the_source_immediately():
    moving, source, sink, _ = pump(UntilClose())
    sink.write_paused = True
    moving.start(sink, b"")
    assert not source.transport.reading


def test_invalid_framing_is_reported_and_not_written():
    moving, source, sink, client = pump(Chunked(bad_request), encoder=CHUNKED)
    moving.start(sink, b"")
    moving.feed(b"zz\r\n")
    assert isinstance(moving.error, ProxyError)
    assert client.awake
    assert b"".join(sink.transport.written) == b""
    assert source.pump is None


def test_a_small_body_can_be_resent():
    moving, source, sink, client = pump(Sized(10), replay=True)
    moving.start(sink, b"1:")
    moving.feed(b"hello")
    moving.detach()
    assert not source.transport.reading
    other = stream()
    client.sink = other
    moving.start(other, b"2:")
    assert source.transport.reading
    moving.feed(b"world")
    assert b"".join(other.transport.written) == b"2:helloworld"


def test_a_complete_chunked_body_is_resent_with_its_end():
    moving, source, sink, _ = pump(Chunked(bad_request), encoder=CHUNKED, replay=True)
    source.recv_buffer = b"3\r\nabc\r\n0\r\n\r\n"
    moving.start(sink, b"")
    moving.detach()
    other = stream()
    moving.start(other, b"")
    assert b"".join(other.transport.written) == b"3\r\nabc\r\n0\r\n\r\n"


def test_a_large_body_is_not_buffered():
    moving, _, sink, _ = pump(Sized(REPLAY_LIMIT * 2), replay=True)
    moving.start(sink, b"")
    moving.feed(b"x" * REPLAY_LIMIT)
    assert moving.can_replay
    moving.feed(b"x")
    assert not moving.can_replay


async def settled(condition):
    """Wait for a state that the loop reaches by itself."""
    turns = 0
    while not condition():
        turns += 1
        assert turns < 1000
        await asyncio.sleep(0)
    return turns


async def test_many_small_chunks_are_decoded_in_several_iterations_of_the_loop():
    moving, source, sink, _ = pump(Chunked(bad_request), replay=True)
    moving.start(sink, b"")
    moving.feed(chunk(b"x") * (10 * CHUNKS_AT_ONCE) + last_chunk() + b"next")
    assert b"".join(sink.transport.written) == b"x" * CHUNKS_AT_ONCE
    assert not source.transport.reading
    sink.pause_writing()
    sink.resume_writing()
    assert not source.transport.reading, "the rest of what was read comes first"
    assert await settled(lambda: moving.done) >= 9
    assert b"".join(sink.transport.written) == b"x" * (10 * CHUNKS_AT_ONCE)
    assert source.transport.reading
    assert source.recv_buffer == b"next"


async def test_the_source_is_read_again_after_its_chunks_are_decoded():
    moving, source, sink, _ = pump(Chunked(bad_request))
    source.recv_buffer = chunk(b"x") * (3 * CHUNKS_AT_ONCE)
    moving.start(sink, b"HEAD ")
    assert b"".join(sink.transport.written) == b"HEAD " + b"x" * CHUNKS_AT_ONCE
    await settled(lambda: source.transport.reading)
    assert b"".join(sink.transport.written) == b"HEAD " + b"x" * (3 * CHUNKS_AT_ONCE)
    sink.write_paused = True
    moving.feed(chunk(b"x") * (2 * CHUNKS_AT_ONCE))
    await settled(lambda: not moving.decoder.pending)
    assert not source.transport.reading
    sink.resume_writing()
    assert source.transport.reading


async def test_pending_chunks_are_sent_to_the_next_backend_after_a_failure():
    moving, _, sink, client = pump(Chunked(bad_request), replay=True)
    moving.start(sink, b"")
    moving.feed(chunk(b"x") * (3 * CHUNKS_AT_ONCE) + last_chunk())
    moving.detach()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    client.sink = other = stream()
    moving.start(other, b"2:")
    await settled(lambda: moving.done)
    assert b"".join(other.transport.written) == b"2:" + b"x" * (3 * CHUNKS_AT_ONCE)
    assert b"".join(sink.transport.written) == b"x" * CHUNKS_AT_ONCE


async def test_no_chunk_is_lost_when_the_backend_closes_before_they_are_decoded():
    """A reset does not wait until the bytes before it are read."""
    sent = chunk(b"x") * (40 * CHUNKS_AT_ONCE) + last_chunk()

    async def handle(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + sent)
        await writer.drain()

    async with Environment() as environment:
        await environment.origin(handle)
        client = (await environment.client()).send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        await client.head()
        assert len(await asyncio.wait_for(read_chunks(client.reader), 10)) == 40 * CHUNKS_AT_ONCE


async def test_all_received_bytes_of_a_lost_source_are_decoded():
    moving, source, sink, _ = pump(Chunked(bad_request))
    moving.start(sink, b"")
    moving.feed(chunk(b"x") * (3 * CHUNKS_AT_ONCE) + last_chunk())
    source.lost = True
    moving.feed_pending()
    assert moving.done
    assert b"".join(sink.transport.written) == b"x" * (3 * CHUNKS_AT_ONCE)


async def test_a_fast_sender_yields_to_others():
    moving, source, sink, _ = pump(UntilClose())
    moving.start(sink, b"")
    for _ in range(LARGE_READS_AT_ONCE - 1):
        moving.feed(bytes(LARGE_READ + 1))
        assert source.transport.reading
    moving.feed(bytes(LARGE_READ + 1))
    assert not source.transport.reading
    await settled(lambda: source.transport.reading)


async def test_tiny_chunks_do_not_delay_another_client():
    """Between two answers to the other client, only a bounded number of chunks is decoded."""

    async def handle(reader, writer):
        while head := await reader.readuntil(b"\r\n\r\n"):
            if b"chunked" in head:
                await reader.read(-1)
                return
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    async with Environment() as environment:
        await environment.origin(handle)
        greedy = await environment.client()
        greedy.send(b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n")
        (connection,) = await until(lambda: [c for c in environment.server.context.connections if c.pump])
        greedy.send(chunk(b"x") * (400 * CHUNKS_AT_ONCE))
        await until(lambda: connection.pump.moved)
        other = await environment.client()
        moved = connection.pump.moved
        for _ in range(10):
            assert (await other.send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n").answer())[2] == b"ok"
        assert connection.pump.moved - moved <= 10 * 20 * CHUNKS_AT_ONCE
        assert connection.pump.moved < 400 * CHUNKS_AT_ONCE
        greedy.close()


async def test_memory_stays_bounded_when_the_client_does_not_read():
    """A backend that sends 64 MB to a client that reads nothing is stopped after a few hundred kilobytes."""
    sent = 0

    async def handle(reader, writer):
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (64 << 20))
        for _ in range(1024):
            writer.write(b"x" * 65536)
            await writer.drain()
            sent += 65536

    async with Environment() as environment:
        await environment.origin(handle)
        client = await environment.client()
        client.writer.transport.pause_reading()
        client.send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        before, still = -1, 0
        while still < 20:  # Until nothing has moved for a while: everybody waits for the client.
            await asyncio.sleep(0.01)
            before, still = (sent, still + 1) if sent == before else (sent, 0)
        assert 0 < sent < 32 << 20
        (connection,) = environment.server.context.connections
        assert connection.write_paused
        assert connection.transport.get_write_buffer_size() < 1 << 20
        client.writer.transport.resume_reading()
        await client.head()
        assert len(await asyncio.wait_for(client.reader.readexactly(64 << 20), 20)) == 64 << 20
