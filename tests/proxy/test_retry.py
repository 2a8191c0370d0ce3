"""Requests that are retried on another backend, and requests that must not be retried."""

import asyncio
from time import monotonic

import pytest

from pylb.config.backends import CONDITIONS
from tests.environment import HOST, Environment, answers, read_request
from tests.until import until

NEVER_OUT = {"suspect_time": 0, "eject_failures": 0}
ALL = {"retry_on": frozenset(CONDITIONS)}


async def breaks(reader, writer):
    await read_request(reader)
    writer.transport.abort()


async def says_nothing(reader, writer):
    await reader.read(-1)


async def breaks_inside_the_body(reader, writer):
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe")
    await writer.drain()


BUSY = answers(b"busy", status=b"503 Busy")


@pytest.mark.parametrize(("failing", "options"), [(breaks, {}), (says_nothing, {}), (BUSY, ALL)])
async def test_a_get_is_retried_on_another_backend(failing, options):
    async with Environment(response_timeout=0.05, **NEVER_OUT, **options) as environment:
        bad = await environment.origin(failing)
        await environment.origin(answers(b"hello"))
        assert [(await environment.get())[2] for _ in range(4)] == [b"hello"] * 4
        assert bad.connections
        attempts = [
            [lease.backend.endpoint.id for lease in record.attempts] for record in environment.records
        ]
        assert ["web-1", "web-2"] in attempts
        assert all(ids[-1] == "web-2" for ids in attempts)


async def request(environment, method, extra=b""):
    client = await environment.client()
    client.send(method + b" / HTTP/1.1\r\n" + HOST + extra + b"Content-Length: 5\r\n\r\nhello")
    return (await client.answer())[0]


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"DELETE", b"PATCH"])
async def test_an_unsafe_request_is_not_retried(method):
    async with Environment(**NEVER_OUT) as environment:
        for _ in range(2):
            await environment.origin(breaks)
        assert await request(environment, method) == 502
        assert sum(origin.connections for origin in environment.origins) == 1


async def test_a_buffered_body_is_resent_completely():
    bodies = []

    async def keeps(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        bodies.append(await reader.readexactly(5))
        writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")

    async with Environment(
        **NEVER_OUT, retry_methods=frozenset(["PUT"]), retry_idempotency_key=True
    ) as environment:
        await environment.origin(breaks)
        await environment.origin(keeps)
        assert [await request(environment, b"PUT") for _ in range(2)] == [201] * 2
        assert [await request(environment, b"POST", b"Idempotency-Key: 1\r\n") for _ in range(2)] == [201] * 2
        assert bodies == [b"hello"] * 4


async def test_a_started_response_is_never_replaced():
    async with Environment(**NEVER_OUT, **ALL) as environment:
        await environment.origin(breaks_inside_the_body)
        environment.register(environment.origins[0].endpoint)
        client = (await environment.client()).send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        await client.head()
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await client.reader.readexactly(5)
        await until(lambda: environment.records)
        assert environment.origins[0].connections == 1


async def test_the_last_response_is_forwarded_with_any_status():
    async with Environment(**NEVER_OUT, **ALL) as environment:
        for _ in range(2):
            await environment.origin(BUSY)
        status, _, body = await environment.get()
        assert (status, body) == (503, b"busy")
        assert len(environment.records[0].attempts) == 2


async def test_a_status_is_not_retried_by_default():
    async with Environment(**NEVER_OUT) as environment:
        await environment.origin(BUSY)
        await environment.origin(answers())
        assert {(await environment.get())[0] for _ in range(3)} == {200, 503}
        assert {len(record.attempts) for record in environment.records} == {1}


async def test_if_everything_fails_retries_add_a_fifth():
    async with Environment(**NEVER_OUT) as environment:
        for _ in range(3):
            await environment.origin(breaks)
        client_count, each = 4, 100
        began = monotonic()

        async def ask():
            for _ in range(each):
                assert (await environment.get())[0] == 502

        async with asyncio.TaskGroup() as clients:
            for _ in range(client_count):
                clients.create_task(ask())
        asked = client_count * each
        always_allowed = 11 + 3 * (monotonic() - began)
        assert (
            asked < sum(origin.connections for origin in environment.origins) <= asked * 1.2 + always_allowed
        )
        assert environment.pool.events["retry_denied"]
