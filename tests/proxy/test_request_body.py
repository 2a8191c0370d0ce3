"""Limits on clients: size, rate and number of bodies, requests and connections."""

import asyncio

import pytest

from pylb.http1.body import chunk, last_chunk
from pylb.policy.admission import Connections
from tests.environment import HOST, Environment, answers, read_chunks, read_request
from tests.until import until

GET = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
POST = b"POST / HTTP/1.1\r\n" + HOST


def endings(environment):
    return [(record.termination, record.status) for record in environment.records]


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (POST + b"Content-Length: 10\r\n\r\n0123456789", 200),
        (POST + b"Content-Length: 11\r\n\r\n", 413),
        (POST + b"Content-Length: 11\r\nExpect: 100-continue\r\n\r\n", 413),
        (POST + b"Transfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n", 200),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n6\r\n567890\r\n", 413),
    ],
)
async def test_a_body_above_the_limit_is_a_413(request_bytes, status):
    async with Environment(max_body=10) as environment:
        await environment.origin(answers(b"hello"))
        client = (await environment.client()).send(request_bytes)
        assert (await client.answer())[0] == status
        assert endings(environment) == [("--" if status == 200 else "PR", status)]


async def trickle(client):
    """Send a byte at intervals until the connection ends."""
    while not client.reader.at_eof():
        client.send(b"x")
        await asyncio.sleep(0.02)


@pytest.mark.parametrize(("rate", "status"), [(10_000, 408), (10, 200)])
async def test_too_few_bytes_are_no_progress(rate, status):
    async with Environment(body_timeout=0.5, min_body_rate=rate) as environment:
        await environment.origin(answers(b"hello"))
        client = (await environment.client()).send(POST + b"Content-Length: 40\r\n\r\n")
        sending = asyncio.get_running_loop().create_task(trickle(client))
        assert (await client.answer())[0] == status
        sending.cancel()


@pytest.mark.parametrize("most", [1, 2, 3])
async def test_a_connection_ends_after_its_last_request(most):
    async with Environment(max_requests=most) as environment:
        await environment.origin(answers(b"hello"))
        client = await environment.client()
        closing = []
        for _ in range(most):
            _, head, _ = await client.send(GET).answer()
            closing.append(b"\r\nConnection: close\r\n" in head)
        assert closing == [False] * (most - 1) + [True]
        assert await client.rest() == b""


async def test_after_the_upload_the_response_timeout_applies():
    async def says_nothing(reader, writer):
        await reader.read(-1)

    async with Environment(response_timeout=0.2, body_timeout=60, retries=0) as environment:
        origin = await environment.origin(says_nothing)
        client = await environment.client()
        client.send(b"POST / HTTP/1.1\r\n%bContent-Length: 100000\r\n\r\n%b" % (HOST, b"x" * 50_000))
        await until(lambda: origin.open)
        assert (await client.send(b"x" * 50_000).answer())[0] == 504


async def test_a_connection_above_the_limit_is_a_503():
    async with Environment(context={"admission": Connections(total=1)}) as environment:
        await environment.origin(answers(b"hello"))
        first = await environment.client()
        await until(lambda: environment.server.context.connections)
        second = await environment.client()
        status, head, _ = await second.answer()
        assert (status, b"\r\nRetry-After: 1\r\n" in head) == (503, True)
        assert await second.rest() == b""
        assert endings(environment) == [("RR", 503)]
        first.close()
        await until(lambda: not environment.server.context.connections)
        assert (await environment.get())[0] == 200


async def test_a_connection_above_the_limit_of_a_client_is_rejected():
    async with Environment(context={"admission": Connections(per_client=2)}) as environment:
        await environment.origin(answers(b"hello"))
        kept = [await environment.client() for _ in range(2)]
        await until(lambda: len(environment.server.context.connections) == 2)
        assert (await (await environment.client()).answer())[0] == 503
        kept[0].close()
        await until(lambda: len(environment.server.context.connections) == 1)
        assert (await environment.get())[0] == 200


async def test_a_request_above_the_rate_is_a_429():
    async with Environment(max_client_rate=2) as environment:
        await environment.origin(answers(b"hello"))
        answered = [await environment.get(extra=b"Accept: application/json\r\n") for _ in range(3)]
        assert [status for status, _, _ in answered] == [200, 200, 429]
        assert b"\r\nRetry-After: 1\r\n" in answered[2][1]
        assert b'"status": 429' in answered[2][2]


async def test_a_client_that_does_not_read_its_last_response_is_disconnected():
    async def handle(reader, writer):
        await read_request(reader)
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Length: 20000000\r\nConnection: close\r\n\r\n" + bytes(20000000)
        )
        await reader.read(-1)

    async with Environment(body_timeout=0.2) as environment:
        await environment.origin(handle)
        client = await environment.client()
        client.send(b"GET / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
        await client.head()
        client.writer.transport.pause_reading()
        await until(lambda: not environment.server.context.connections)
        await until(lambda: environment.records)
        assert endings(environment) == [("cD", 200)]


def reads_after_answering(received, *, body=b"accepted"):
    """A backend that responds to the head and then reads the body."""

    async def handle(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        if b"Transfer-Encoding" in head:
            received.append(await read_chunks(reader))
        else:
            received.append(await reader.readexactly(10 * len(PIECE)))
        await reader.read(-1)

    return handle


PIECE = b"x" * 20_000


@pytest.mark.parametrize(
    ("framing", "pieces"),
    [
        (b"Content-Length: %d" % (10 * len(PIECE)), [PIECE] * 10),
        (b"Transfer-Encoding: chunked", [*[chunk(PIECE)] * 10, last_chunk()]),
    ],
)
async def test_a_request_answered_early_is_forwarded_completely(framing, pieces):
    received = []
    async with Environment() as environment:
        await environment.origin(reads_after_answering(received))
        client = (await environment.client()).send(POST + framing + b"\r\n\r\n")
        status, head, body = await client.answer()
        assert (status, body) == (202, b"accepted")
        assert b"\r\nConnection: close\r\n" in head
        for piece in pieces:
            client.send(piece)
            await client.writer.drain()
            await asyncio.sleep(0.01)
        await until(lambda: received)
        assert received == [PIECE * 10]
        assert await client.rest() == b""
        assert endings(environment) == [("--", 202)]
        assert environment.records[0].received == 10 * len(PIECE)


@pytest.mark.parametrize(("rate", "whole"), [(3300, True), (10_000_000, False)])
async def test_after_an_early_response_the_minimum_rate_applies(rate, whole):
    received = []
    async with Environment(min_body_rate=rate, linger_silence=0.1) as environment:
        origin = await environment.origin(reads_after_answering(received))
        client = (await environment.client()).send(POST + b"Content-Length: %d\r\n\r\n" % (10 * len(PIECE)))
        assert (await client.answer())[0] == 202
        for _ in range(25):
            client.send(bytes(10 * len(PIECE) // 25))
            await client.writer.drain()
            await asyncio.sleep(0.02)
        await until(lambda: not origin.open)
        assert bool(received) is whole
        client.close()


async def test_after_an_early_response_a_backend_that_stops_reading_does_not_block_the_client():
    """A client that reads after it has sent everything must be able to send everything."""

    async def handle(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno")
        reader._transport.pause_reading()
        await asyncio.Event().wait()

    async with Environment(linger_silence=0.4) as environment:
        await environment.origin(handle)
        client = await environment.client()
        client.writer.transport.pause_reading()
        client.send(POST + b"Content-Length: 30000000\r\n\r\n" + bytes(30_000_000))
        await asyncio.wait_for(client.writer.drain(), 10)
        (record,) = environment.records
        assert record.finished - record.started < 0.4, "the answer was complete before"
        client.writer.transport.resume_reading()
        assert (await client.answer())[0] == 401
        client.close()


@pytest.mark.parametrize(
    "request_head",
    [
        POST + b"Content-Length: 9\r\nExpect: 100-continue\r\n\r\n",
        POST.replace(b"HTTP/1.1", b"HTTP/1.0") + b"Content-Length: 9\r\n\r\nabc",
    ],
)
async def test_a_client_detects_the_end_of_an_early_response_soon(request_head):
    async with Environment() as environment:
        await environment.origin(reads_after_answering([]))
        client = (await environment.client()).send(request_head)
        assert (await client.answer())[0] == 202
        assert await asyncio.wait_for(client.reader.read(-1), 2) == b""
        client.close()
