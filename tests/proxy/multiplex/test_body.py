"""Bodies on streams: windows, back-pressure in both directions, and what remains bounded."""

import asyncio
from types import SimpleNamespace

import pytest

from pylb.http1.bad_request import bad_request
from pylb.http2.stream import HIGH_MARK
from pylb.proxy.multiplex.body import StreamBody
from tests.environment import Environment, answers, read_chunks, read_request
from tests.proxy.h2.client import connect
from tests.until import until

LARGE = bytes(range(256)) * 4096
"""1 MiB."""

KERNEL = 8 << 20
"""More bytes than the sockets between pylb and a backend hold."""


async def echo(reader, writer):
    """Send a chunked body back, with its length."""
    while await reader.readuntil(b"\r\n\r\n"):
        body = await read_chunks(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


async def test_a_large_body_arrives_whole_in_both_directions():
    async with Environment() as environment:
        await environment.origin(echo)
        client = await connect(environment)
        number = client.begin(method="POST")
        await client.upload(number, LARGE)
        reply = await client.ended(number)
        assert reply.body == LARGE
        (record,) = environment.records
        assert (record.received, record.sent) == (len(LARGE), len(LARGE))


async def test_the_window_of_a_stream_grows_while_its_bytes_move():
    async with Environment() as environment:
        await environment.origin(echo)
        client = await connect(environment)
        number = client.begin(method="POST")
        await client.upload(number, LARGE * 4)
        assert (await client.ended(number)).body == LARGE * 4
        assert max(delta for stream, delta in client.credits if stream == number) > 512 * 1024


async def test_an_upload_to_a_backend_that_does_not_read_is_bounded():
    async def handle(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.Event().wait()

    async with Environment() as environment:
        await environment.origin(handle)
        client = await connect(environment)
        number = client.begin(method="POST")
        sent = 0
        while True:
            client.flush()
            await client.ping()
            room = client.room(number)
            if room <= 0:
                break
            client.send(number, b"x" * room)
            sent += room
            assert sent < KERNEL
        other = client.begin(method="POST")
        client.send(other, b"another stream is not delayed", end=True)
        await until(lambda: environment.origins[0].connections == 2)
        upstream = next(iter(environment.server.context.connections)).session.streams[number]
        assert len(upstream.recv_buffer) <= upstream.window_size


async def test_a_client_that_does_not_read_one_stream_pauses_its_backend_and_no_other_stream():
    written = 0

    async def handle(reader, writer):
        nonlocal written
        if b"/large" not in await read_request(reader):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            return
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (16 * len(LARGE)))
        for _ in range(16):
            writer.write(LARGE)
            await writer.drain()
            written += len(LARGE)

    async with Environment() as environment:
        await environment.origin(handle)
        client = await connect(environment)
        client.h2.increment_flow_control_window(len(LARGE))
        slow = client.begin("/large")
        client.unread.add(slow)
        client.flush()
        await until(lambda: len(client.replies[slow].body) == 65_535)
        stream = next(iter(environment.server.context.streams))
        await until(lambda: stream.producer.paused)
        assert stream.size < HIGH_MARK + 512 * 1024
        for _ in range(20):
            assert (await client.get("/small")).body == b"ok"
        assert written < 16 * len(LARGE)
        client.unread.clear()
        client.h2.acknowledge_received_data(65_535, slow)
        assert (await client.ended(slow)).body == LARGE * 16


async def test_a_window_that_opens_late_continues_the_response():
    async with Environment() as environment:
        await environment.origin(answers(LARGE))
        client = await connect(environment)
        number = client.begin()
        client.unread.add(number)
        client.flush()
        await until(lambda: len(client.replies[number].body) == 65_535)
        client.h2.increment_flow_control_window(len(LARGE), number)  # That of the connection is still closed.
        client.flush()
        await client.ping()
        assert len(client.replies[number].body) == 65_535
        client.h2.increment_flow_control_window(len(LARGE))
        assert (await client.ended(number)).body == LARGE


@pytest.mark.parametrize(("length", "pieces"), [(-1, [b"a", b"b"]), (2, [b"a", b"b"]), (0, [])])
def test_a_body_ends_with_its_stream(length, pieces):
    stream = SimpleNamespace(complete=False)
    body = StreamBody(stream, length, bad_request)
    assert [body.feed(piece) for piece in pieces] == pieces
    assert not body.done
    stream.complete = True
    assert body.pending
    assert body.feed(b"") == b""
    assert body.done
    assert not body.pending
