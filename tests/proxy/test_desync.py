"""Unexpected bytes of a backend never become the response to another request."""

import asyncio

import pytest

from tests.environment import HOST, Environment, read_request
from tests.until import until

FORGED = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
SECOND = b"GET /second HTTP/1.1\r\n" + HOST + b"\r\n"
GET = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
HEAD = b"HEAD / HTTP/1.1\r\n" + HOST + b"\r\n"
NO_CONTENT = b"HTTP/1.1 204 No Content\r\n"
NOT_MODIFIED = b"HTTP/1.1 304 Not Modified\r\n"
LENGTH = b"Content-Length: %d\r\n\r\n" % len(FORGED)
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Forger:
    """A backend that sends forged bytes after its response on command."""

    def __init__(self, answer):
        self.answer = answer
        self.forge = asyncio.Event()

    async def __call__(self, reader, writer):
        if b"/second" not in await read_request(reader):
            writer.write(self.answer)
            await self.forge.wait()
            writer.write(FORGED)
        else:
            writer.write(OK)
        while await read_request(reader):
            writer.write(OK)


async def answers_of(environment, request, *, heads=1):
    """The first client's heads, and a second client that has just sent its request."""
    client = (await environment.client()).send(request)
    for _ in range(heads):
        await client.head()
    await until(lambda: environment.records)
    return (await environment.client()).send(SECOND)


@pytest.mark.parametrize(
    ("request_bytes", "answer", "heads"),
    [
        (GET, NO_CONTENT + LENGTH, 1),
        (GET, NO_CONTENT + CHUNKED, 1),
        (GET, NOT_MODIFIED + LENGTH, 1),
        (GET, NOT_MODIFIED + CHUNKED, 1),
        (HEAD, b"HTTP/1.1 200 OK\r\n" + LENGTH, 1),
        (HEAD, b"HTTP/1.1 200 OK\r\n" + CHUNKED, 1),
        (GET, b"HTTP/1.1 103 Early Hints\r\n" + LENGTH + OK, 2),
    ],
    ids=["204 length", "204 chunked", "304 length", "304 chunked", "HEAD length", "HEAD chunked", "103"],
)
async def test_a_late_forbidden_body_does_not_become_a_response(request_bytes, answer, heads):
    forger = Forger(answer)
    async with Environment() as environment:
        await environment.origin(forger)
        second = await answers_of(environment, request_bytes, heads=heads)
        forger.forge.set()
        assert (await second.answer())[2] == b"ok"


@pytest.mark.parametrize(
    ("request_bytes", "answer", "again"),
    [
        (GET, NO_CONTENT + b"\r\n", True),
        (GET, NO_CONTENT + b"Content-Length: 0\r\n\r\n", True),
        (GET, NOT_MODIFIED + LENGTH, True),
        (HEAD, b"HTTP/1.1 200 OK\r\n" + LENGTH, True),
        (GET, NO_CONTENT + LENGTH, False),
    ],
)
async def test_a_connection_that_stays_silent_is_reused(request_bytes, answer, again):
    async def quiet(reader, writer):
        while await read_request(reader):
            writer.write(answer)

    async with Environment() as environment:
        origin = await environment.origin(quiet)
        client = (await environment.client()).send(request_bytes)
        await client.head()
        (backend,) = environment.pool.backends.values()
        await until(lambda: backend.idle or not origin.open)
        assert bool(backend.idle) is again
        assert len(backend.connections) == again


async def early(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    writer.write(NOT_MODIFIED + LENGTH)
    await reader.read(-1)


async def test_a_connection_does_not_come_back_after_the_pause_if_the_upload_on_it_was_broken_off():
    async with Environment(linger_silence=0.1) as environment:
        origin = await environment.origin(early)
        client = (await environment.client()).send(
            GET.replace(b"\r\n\r\n", b"\r\nContent-Length: 9\r\n\r\nhello")
        )
        await client.head()
        await until(lambda: not origin.open)
        assert not environment.pool.eligible[0].connections
