"""A client connection between its requests: its start and its end."""

import asyncio
import gc
import socket
import warnings
from contextlib import suppress

import pytest

from pylb.http1.parser import check_beginning
from pylb.proxy.forward import forward
from pylb.proxy.h1 import downstream
from pylb.proxy.h1.downstream import Downstream
from tests.environment import HOST, Environment, answers
from tests.until import until

GET = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"


async def test_a_head_may_arrive_byte_by_byte():
    async with Environment() as environment:
        await environment.origin(answers(b"hello"))
        client = await environment.client()
        for byte in GET:
            client.send(bytes([byte]))
            await client.writer.drain()
            await asyncio.sleep(0)
        assert (await client.answer())[2] == b"hello"


async def test_a_repeated_response_is_sent_to_each_client_in_its_version_and_with_its_end():
    """The head of a repeated response is cached; what differs between clients is not."""
    one = b"GET / HTTP/1.1\r\n" + HOST
    async with Environment() as environment:
        await environment.origin(answers(b"hello", extra=b"Date: Mon, 30 Nov 2026 00:00:00 GMT\r\n"))
        client = await environment.client()
        for _ in range(3):
            assert b"\r\nConnection: close\r\n" not in (await client.send(one + b"\r\n").answer())[1]
        _, head, _ = await client.send(one + b"Connection: close\r\n\r\n").answer()
        assert b"\r\nConnection: close\r\n" in head
        assert await client.rest() == b""
        old = (await environment.client()).send(
            b"GET / HTTP/1.0\r\n" + HOST + b"Connection: keep-alive\r\n\r\n"
        )
        assert b"\r\nConnection: keep-alive\r\n" in (await old.answer())[1]


async def test_a_head_that_arrives_byte_by_byte_is_checked_once(monkeypatch):
    checks = []

    def check(data, limits, scanned=0):
        checks.append(len(data) - scanned)
        return check_beginning(data, limits, scanned)

    monkeypatch.setattr(downstream, "check_beginning", check)
    async with Environment() as environment:
        await environment.origin(answers(b"hello"))
        client = await environment.client()
        for head in (GET, GET.replace(b"Host", b"X: " + b"x" * 100 + b"\r\nHost")):
            for byte in head:
                client.send(bytes([byte]))
                await client.writer.drain()
                await asyncio.sleep(0)
            assert (await client.answer())[2] == b"hello"
        assert len(checks) > len(GET)
        assert sum(checks) < 2 * (2 * len(GET) + 110)


async def test_a_short_head_after_one_in_pieces_is_found():
    async with Environment() as environment:
        await environment.origin(answers(b"hello"))
        client = (await environment.client()).send(GET[:-2] + b"X: " + b"x" * 1000)
        await until(lambda: [c for c in environment.server.context.connections if c._scanned])
        assert (await client.send(b"\r\n\r\n").answer())[2] == b"hello"
        assert (await client.send(GET).answer())[2] == b"hello"


async def test_one_empty_line_before_a_request_is_ignored():
    async with Environment() as environment:
        await environment.origin(answers(b"hello"))
        client = (await environment.client()).send(b"\r\n" + GET)
        assert (await client.answer())[2] == b"hello"
        client.send(b"\r").send(b"\n" + GET)
        assert (await client.answer())[2] == b"hello"
        client.send(b"\r\n\r\n" + GET)
        assert (await client.answer())[0] == 400


async def test_a_client_that_does_not_read_receives_no_further_responses():
    """Requests sent ahead wait in the kernel while the write buffer is full; memory stays bounded."""
    async with Environment() as environment:
        await environment.origin(answers(b"x" * 100_000))
        client = await environment.client()
        client.writer.transport.pause_reading()
        client.send(GET * 500)
        await until(
            lambda: any(connection.write_paused for connection in environment.server.context.connections)
        )
        (connection,) = environment.server.context.connections
        assert connection.transport.get_write_buffer_size() < 1 << 20
        assert len(connection.recv_buffer) < 1 << 18
        client.writer.transport.resume_reading()
        for _ in range(500):
            assert len((await client.answer())[2]) == 100_000


async def test_requests_beyond_a_full_write_buffer_wait_in_the_kernel():
    async with Environment() as environment:
        await environment.origin(answers(b"x" * 100_000))
        client = await environment.client()
        client.writer.transport.pause_reading()
        client.send(GET * 100_000)
        await until(
            lambda: any(c.paused and c.write_paused for c in environment.server.context.connections), 20
        )
        (connection,) = environment.server.context.connections
        assert len(connection.recv_buffer) < 1 << 20


async def take(reading, environment, most):
    """Read 100 KB/s until there were so many bytes or the request has ended."""
    taken = 0
    while taken < most and not environment.records:
        with suppress(BlockingIOError):
            taken += len(reading.recv(2000))
        await asyncio.sleep(0.02)


@pytest.mark.slow
@pytest.mark.parametrize(("rate", "ended"), [(10_000, []), (1_000_000, ["cD"])])
async def test_a_slow_reader_is_disconnected_only_below_the_minimum_rate(rate, ended):
    """Full buffers take longer than the time-out to drain; what the client acknowledges is progress."""
    async with Environment(body_timeout=0.8, min_body_rate=rate) as environment:
        await environment.origin(answers(b"x" * 4_000_000))
        with socket.socket() as reading:
            reading.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reading.connect(("127.0.0.1", environment.port))
            reading.setblocking(False)
            reading.send(GET)
            await take(reading, environment, most=200_000)
            assert [record.termination for record in environment.records] == ended


async def test_little_of_a_response_is_buffered_for_a_client_that_does_not_read():
    async with Environment() as environment:
        origin = await environment.origin(answers(b"x" * 4_000_000))
        client = await environment.client()
        client.writer.transport.pause_reading()
        client.send(GET)
        await until(
            lambda: any(connection.write_paused for connection in environment.server.context.connections)
        )
        (connection,) = environment.server.context.connections
        assert connection.producer.pump.moved < 1_000_000
        assert origin.connections == 1


@pytest.mark.parametrize("sent", [b"", GET, b"GET / HT"])
async def test_a_client_may_disconnect_at_any_time(sent):
    async with Environment() as environment:
        await environment.origin(answers(b"hello"))
        client = (await environment.client()).send(sent)
        await until(lambda: environment.server.context.connections)
        client.close()
        await until(lambda: not environment.server.context.connections)


async def test_draining_finishes_requests_and_closes_connections():
    release = asyncio.Event()

    async def handle(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        await release.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        await reader.read(-1)

    async with Environment() as environment:
        origin = await environment.origin(handle)
        client = (await environment.client()).send(GET)
        await until(lambda: origin.open)
        draining = asyncio.ensure_future(environment.server.drain(10))  # noqa: TID251
        await until(lambda: environment.server.context.draining)
        release.set()
        _, head, body = await client.answer()
        assert body == b"hello"
        assert b"\r\nConnection: close\r\n" in head
        assert await draining == 0


async def test_requests_beyond_the_drain_timeout_are_aborted_and_counted():
    async def handle(reader, writer):
        await reader.read(-1)

    async with Environment() as environment:
        origin = await environment.origin(handle)
        (await environment.client()).send(GET)
        await until(lambda: origin.open)
        assert await environment.server.drain(0.1) == 1


def test_a_failed_connection_leaves_nothing_behind():
    """This happens after a failed TLS handshake."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Downstream(Environment().server.context, lambda *_: forward)
        gc.collect()
    assert caught == []
