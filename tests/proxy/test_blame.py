"""Which failures count against a backend: its own, and neither those of clients nor those of single pages."""

import asyncio

import pytest

from pylb.policy import health
from pylb.policy.backend import State
from tests.environment import HOST, Environment, answers, read_request
from tests.until import until

GET = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
CHUNKED = b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
SIZED = b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 100\r\n\r\nhello"
EXPECTS = b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n"
BEGUN = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"


async def answers_while_it_reads(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    writer.write(BEGUN)
    await reader.read(-1)


async def says_nothing(reader, writer):
    await reader.read(-1)


async def begins_an_event_stream(reader, writer):
    await read_request(reader)
    writer.write(BEGUN)
    await reader.read(-1)


async def ended(environment, count=1):
    """Return the ends of the requests and the state of the only backend."""
    await until(lambda: len(environment.records) == count)
    (backend,) = environment.pool.backends.values()
    return [record.termination for record in environment.records], backend.health.total


@pytest.mark.parametrize(
    ("request_bytes", "rest", "termination"),
    [
        (SIZED, b"", "cD"),
        (CHUNKED, b"no size\r\n", "PR"),
        (CHUNKED, b"fff\r\n" + b"x" * 0xFFF, "PR"),
    ],
    ids=["stalls", "breaks its chunks", "sends too much"],
)
async def test_a_client_failure_during_the_response_does_not_count(request_bytes, rest, termination):
    async with Environment(body_timeout=0.1, max_body=1000) as environment:
        await environment.origin(answers_while_it_reads)
        client = (await environment.client()).send(request_bytes)
        await client.head()
        client.send(rest)
        assert await ended(environment) == ([termination], 0)


async def test_a_close_caused_by_a_stalled_upload_does_not_count():
    async def closes(reader, writer):
        await reader.readuntil(b"hello")

    async with Environment() as environment:
        await environment.origin(closes)
        client = (await environment.client()).send(SIZED)
        assert (await client.answer())[0] == 502
        assert await ended(environment) == (["SH"], 0)


async def test_a_close_caused_by_a_slow_reader_does_not_count():
    large = 20_000_000
    held_up = asyncio.Event()

    async def closes_in_the_middle(reader, writer):
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % large + bytes(large // 2))
        await held_up.wait()

    async with Environment() as environment:
        await environment.origin(closes_in_the_middle)
        client = (await environment.client()).send(GET)
        await client.head()
        client.writer.transport.pause_reading()
        await until(lambda: any(each.write_paused for each in environment.server.context.connections))
        held_up.set()
        client.writer.transport.resume_reading()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await client.reader.readexactly(large)
        assert await ended(environment) == (["SD"], 0)


async def test_a_close_inside_a_response_counts():
    async def closes(reader, writer):
        await read_request(reader)
        writer.write(BEGUN)

    async with Environment() as environment:
        await environment.origin(closes)
        (await environment.client()).send(GET)
        assert await ended(environment) == (["SD"], 1)


async def test_a_silent_stream_does_not_count():
    async with Environment(body_timeout=0.1) as environment:
        await environment.origin(begins_an_event_stream)
        clients = [(await environment.client()).send(GET) for _ in range(12)]
        for client in clients:
            await client.head()
        assert await ended(environment, 12) == (["sD"] * 12, 0)


async def test_long_polls_without_a_response_do_not_count():
    async with Environment(response_timeout=0.1) as environment:
        for _ in range(2):
            await environment.origin(says_nothing)
        clients = [(await environment.client()).send(GET) for _ in range(12)]
        assert {(await client.answer())[0] for client in clients} == {504}
        assert {backend.state for backend in environment.pool.backends.values()} == {State.UP}


async def test_a_slow_page_does_not_count():
    async def slow_page(reader, writer):
        while b"/slow" not in await read_request(reader):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await reader.read(-1)

    async with Environment(response_timeout=0.1) as environment:
        for _ in range(2):
            await environment.origin(slow_page)
        clients = [await environment.client() for _ in range(12)]
        for client in clients:
            client.send(b"GET /slow HTTP/1.1\r\n" + HOST + b"\r\n")
        await until(lambda: sum(b.inflight for b in environment.pool.backends.values()) == 12)
        assert [(await environment.get())[0] for _ in range(2)] == [200] * 2
        assert {(await client.answer())[0] for client in clients} == {504}
        assert {backend.state for backend in environment.pool.backends.values()} == {State.UP}


@pytest.mark.parametrize("leaves", [False, True])
async def test_a_hang_before_100_continue_counts(monkeypatch, leaves):
    monkeypatch.setattr(health, "GIVEN_UP", 0.0)
    async with Environment(response_timeout=60 if leaves else 0.1, body_timeout=60) as environment:
        origin = await environment.origin(says_nothing)
        client = (await environment.client()).send(EXPECTS)
        if leaves:
            await until(lambda: origin.open)
            client.close()
        else:
            assert (await client.answer())[0] == 504
        assert await ended(environment) == (["CH" if leaves else "sH"], 1)


async def test_a_client_that_does_not_send_the_body_does_not_count():
    async def demand_continue(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await reader.read(-1)

    async with Environment(response_timeout=60, body_timeout=0.1) as environment:
        await environment.origin(demand_continue)
        client = (await environment.client()).send(EXPECTS)
        assert b" 100 " in await client.head()
        assert (await client.answer())[0] == 408
        assert await ended(environment) == (["cH"], 0)


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (b"HTTP/1.1 200 OK\r\nBad Name: 1\r\nContent-Length: 0\r\n\r\n", State.UP),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", State.UP),
        (b"HTTP/1.1 999 Denied\r\n\r\n", State.UP),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 101 + b"\r\n", State.UP),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n", State.UP),
        (b"SSH-2.0-OpenSSH_9.2\r\n", State.SUSPECT),
        (b"", State.SUSPECT),
    ],
    ids=["field", "length", "status", "fields", "chunk", "no HTTP", "nothing"],
)
async def test_a_malformed_page_does_not_exclude_a_backend(answer, state):
    async def handle(reader, writer):
        await read_request(reader)
        writer.write(answer)
        if answer:
            await reader.read(-1)

    async with Environment() as environment:
        odd = await environment.origin(handle)
        await environment.origin(answers())
        await environment.origin(answers())
        backend = next(b for b in environment.pool.backends.values() if b.endpoint.id == "web-1")
        while odd.connections < (7 if state is State.UP else 1):
            client = (await environment.client()).send(GET)
            await client.head()
            client.close()
        await until(lambda: len(environment.records) >= odd.connections and not backend.inflight)
        assert backend.state is state


async def test_a_slow_upload_does_not_keep_a_backend_excluded(monkeypatch):
    monkeypatch.setattr(health, "UPLOAD_GRACE", 0.05)
    async with Environment(suspect_time=0.05, eject_time=0.05) as environment:
        flaky = await environment.origin(says_nothing)
        await environment.origin(answers())
        await environment.get()
        half_open = next(b for b in environment.pool.backends.values() if b.endpoint.id == "web-1")
        environment.pool.on_peer_update(half_open.identity, State.SUSPECT, until=0.0)
        await until(lambda: half_open.state is State.HALF_OPEN)
        client = (await environment.client()).send(SIZED.replace(b"100", b"1000000"))
        await until(lambda: flaky.open)
        flaky.handler = answers(b"well")

        async def tried():
            await environment.get()
            return half_open.state is State.UP

        async with asyncio.timeout(5):
            while not await tried():
                client.send(b"x")
        assert flaky.connections > 1
