"""Failures between client and backend, their responses and their records."""

import asyncio
import socket
import struct
from time import monotonic

import pytest

from pylb.model import Endpoint
from pylb.policy import health
from pylb.policy.backend import State
from tests.environment import HOST, Environment, answers, read_request
from tests.until import until

GET = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
POST = b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello"


def endings(environment):
    return [(record.termination, record.status) for record in environment.records]


@pytest.fixture
def unreachable():
    """An endpoint that refuses connections: its port is bound but not listening."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield Endpoint("web", "127.0.0.1", bound.getsockname()[1], id="refused")


@pytest.fixture
def blackhole():
    """An endpoint that never accepts: a listener whose queue is full."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        where = listening.getsockname()
        waiting = []
        for _ in range(3):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(where)
            waiting.append(client)
        yield Endpoint("web", "127.0.0.1", where[1], id="blackhole")
        for client in waiting:
            client.close()


@pytest.mark.parametrize("request_bytes", [GET, POST])
async def test_after_a_refused_connection_every_method_is_retried(unreachable, request_bytes):
    async with Environment() as environment:
        origin = await environment.origin(answers(b"hello"))
        environment.register(unreachable, origin.endpoint)
        for _ in range(4):
            client = (await environment.client()).send(request_bytes)
            assert (await client.answer())[2] == b"hello"
        assert 2 in {len(record.attempts) for record in environment.records}
        assert endings(environment) == [("--", 200)] * 4


async def test_all_refused_is_a_503(unreachable):
    async with Environment() as environment:
        environment.register(unreachable)
        status, head, body = await environment.get()
        assert status == 503
        assert b"Retry-After: 1" in head
        assert b"refused" not in body
        assert endings(environment) == [("SC", 503)]


async def test_after_a_connect_timeout_another_backend_is_used(blackhole):
    async with Environment(connect_timeout=0.1) as environment:
        origin = await environment.origin(answers(b"hello"))
        environment.register(blackhole, origin.endpoint)
        assert [(await environment.get())[2] for _ in range(2)] == [b"hello"] * 2
        environment.register(blackhole)
        assert (await environment.get())[0] == 504
        assert endings(environment)[-1] == ("sC", 504)


async def closes_after_first(reader, writer):
    """Answers one request per connection and closes without a response when the second one arrives."""
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
    await read_request(reader)


@pytest.mark.parametrize(("method", "status"), [(b"GET", 200), (b"PUT", 200), (b"POST", 502)])
async def test_a_stale_connection_is_replaced_if_the_method_is_idempotent(method, status):
    async with Environment() as environment:
        origin = await environment.origin(closes_after_first)
        client = (await environment.client()).send(GET)
        await client.answer()
        client.send(method + b" / HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\nhi")
        assert (await client.answer())[0] == status
        assert origin.connections == (2 if status == 200 else 1)


async def test_a_post_is_not_sent_on_a_closed_connection():
    async def handle(reader, writer):
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")

    async with Environment() as environment:
        origin = await environment.origin(handle)
        client = (await environment.client()).send(GET)
        await client.answer()
        await until(lambda: origin.open == 0)
        client.send(POST)
        assert (await client.answer())[0] == 200


async def test_a_close_without_a_response_is_a_502():
    async def handle(reader, writer):
        await read_request(reader)

    async with Environment() as environment:
        await environment.origin(handle)
        assert (await environment.get())[0] == 502
        assert endings(environment) == [("SH", 502)]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: y\r\n\nok",
        b"HTTP/1.1 abc\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000,
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 101 + b"\r\n",
    ],
)
async def test_an_invalid_response_is_a_502_without_its_bytes(answer):
    async def handle(reader, writer):
        await read_request(reader)
        writer.write(answer)
        await reader.read(-1)

    async with Environment() as environment:
        await environment.origin(handle)
        status, _, body = await environment.get()
        assert (status, body) == (502, b"502 Bad Gateway\n")
        assert endings(environment) == [("SH", 502)]


async def test_interim_responses_restart_the_response_timeout():
    """Each 1xx restarts the timeout (RFC 9110 section 15.2)."""

    async def handle(reader, writer):
        await read_request(reader)
        for _ in range(7):
            await asyncio.sleep(0.09)
            writer.write(b"HTTP/1.1 102 Processing\r\n\r\n")
        await asyncio.sleep(0.09)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    async with Environment(response_timeout=0.3) as environment:
        origin = await environment.origin(handle)
        client = (await environment.client()).send(GET)
        for _ in range(7):
            assert b" 102 " in await client.head()
        assert (await client.answer())[0] == 200
        assert origin.connections == 1


async def test_a_response_timeout_is_a_504():
    async def handle(reader, writer):
        await reader.read(-1)

    async with Environment(response_timeout=0.1) as environment:
        await environment.origin(handle)
        assert (await environment.get())[0] == 504
        assert endings(environment) == [("sH", 504)]


@pytest.mark.parametrize(
    ("start", "version"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello", b"1.1"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", b"1.1"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", b"1.0"),
    ],
)
async def test_the_client_can_detect_a_truncated_body(start, version):
    async def handle(reader, writer):
        await read_request(reader)
        writer.write(start)

    async with Environment() as environment:
        await environment.origin(handle)
        client = (await environment.client()).send(b"GET / HTTP/" + version + b"\r\n" + HOST + b"\r\n")
        await client.head()
        with pytest.raises(ConnectionResetError):
            await client.reader.readexactly(100)
        await until(lambda: environment.records)
        assert endings(environment) == [("SD", 200)]


async def test_a_stalled_body_times_out():
    async def handle(reader, writer):
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")
        await reader.read(-1)

    async with Environment(body_timeout=0.1) as environment:
        await environment.origin(handle)
        client = (await environment.client()).send(GET)
        await client.head()
        with pytest.raises(ConnectionResetError):
            await client.reader.readexactly(100)
        assert endings(environment) == [("sD", 200)]


async def test_a_disconnected_client_ends_the_exchange():
    gone = asyncio.Event()

    async def handle(reader, writer):
        await read_request(reader)
        await reader.read(-1)
        gone.set()

    async with Environment() as environment:
        origin = await environment.origin(handle)
        client = (await environment.client()).send(GET)
        await until(lambda: origin.open)
        client.close()
        await asyncio.wait_for(gone.wait(), 5)
        assert endings(environment) == [("CH", 499)]


async def test_a_hanging_backend_is_ejected_by_clients_that_give_up(monkeypatch):
    """It accepts connections, and its clients disconnect long before any timeout."""
    monkeypatch.setattr(health, "GIVEN_UP", 0.01)

    async def hang(reader, writer):
        await reader.read(-1)

    async with Environment() as environment:
        stuck = await environment.origin(hang)
        await environment.origin(answers(b"hello"))
        (backend,) = (b for b in environment.pool.backends.values() if b.endpoint.port == stuck.endpoint.port)
        given_up = 0
        while backend.state is State.UP:
            asking = asyncio.ensure_future(environment.get())  # noqa: TID251
            await asyncio.wait([asking], timeout=0.05)
            if not asking.done():
                asking.cancel()
                given_up += 1
            await until(lambda: not backend.inflight)
        assert (backend.state, given_up) == (State.EJECTED, 5)
        assert [await environment.get() for _ in range(6)]


async def test_disconnects_during_uploads_do_not_count(monkeypatch):
    monkeypatch.setattr(health, "GIVEN_UP", 1e-6)

    async def wait(reader, writer):
        await reader.read(-1)

    async with Environment() as environment:
        origin = await environment.origin(wait)
        for number in range(6):
            client = (await environment.client()).send(POST[:-2])
            await until(lambda number=number: origin.connections > number)
            client.close()
            await until(lambda: not environment.pool.eligible[0].inflight)
            await until(lambda number=number: len(environment.records) > number)
        assert environment.pool.eligible[0].health.total == 0


async def test_a_slow_head_or_body_is_answered_408():
    async with Environment(head_timeout=0.1, body_timeout=0.1) as environment:
        await environment.origin(answers(b"hello"))
        for begun in (b"GET / HT", b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 9\r\n\r\nhell"):
            client = (await environment.client()).send(begun)
            assert (await client.answer())[0] == 408
        assert endings(environment) == [("cR", 408), ("cH", 408)]


async def test_a_silent_client_is_closed_without_a_response():
    async with Environment(head_timeout=0.1) as environment:
        client = await environment.client()
        assert await client.rest() == b""
        assert environment.records == []


async def test_delays_of_pylb_do_not_count_as_client_timeouts():
    """Data sent while the process was delayed is read before the deadline is checked."""
    async with Environment(keepalive_timeout=0.3) as environment:
        await environment.origin(answers())
        client = await environment.client()
        client.send(GET)
        assert (await client.answer())[0] == 200
        here, there = socket.socketpair()

        def hold_up():
            asyncio.get_running_loop().remove_reader(here)
            client.send(GET)
            until_then = monotonic() + 0.5
            while monotonic() < until_then:
                pass

        with here, there:
            asyncio.get_running_loop().add_reader(here, hold_up)
            there.send(b"now")
            assert (await client.answer())[0] == 200


async def test_an_idle_client_is_closed_after_the_keepalive_timeout():
    async with Environment(keepalive_timeout=0.1) as environment:
        await environment.origin(answers(b"hello"))
        client = (await environment.client()).send(GET)
        await client.answer()
        assert await client.rest() == b""


async def test_an_idle_connection_to_a_backend_is_closed_after_its_timeout():
    async with Environment(upstream_keepalive=0.1) as environment:
        origin = await environment.origin(answers(b"hello"))
        await environment.get()
        await until(lambda: origin.open == 0)
        assert repr(environment.pool) == "<Pool web: 1 up, 0 draining | 0 active, 0 idle>"


async def test_unsolicited_bytes_close_a_backend_connection():
    async def handle(reader, writer):
        await read_request(reader)
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
            b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
        )
        await reader.read(-1)

    async with Environment() as environment:
        origin = await environment.origin(handle)
        client = await environment.client()
        for _ in range(3):
            client.send(GET)
            assert (await client.answer())[2] == b"hello"
        assert origin.connections == 3


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 40_000, 431),
        (b"GET /" + b"y" * 9_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (b"\x16\x03\x01\x02\x00\x01\x00", 400),
        (b"GET / HTTP/1.1\nHost: a\n\n", 400),
        (b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 405),
    ],
)
async def test_a_rejected_request_closes_the_connection(sent, status):
    async with Environment(linger_silence=0.3) as environment:
        origin = await environment.origin(answers(b"hello"))
        client = (await environment.client()).send(sent)
        assert (await client.answer())[0] == status
        client.send(GET)
        assert await client.rest() == b""
        assert origin.connections == 0
        assert endings(environment) == [("PR", status)]


async def test_a_chunked_body_with_invalid_framing_is_rejected():
    async with Environment() as environment:
        await environment.origin(answers(b"hello"))
        client = await environment.client()
        client.send(b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n")
        assert (await client.answer())[0] == 400
        assert endings(environment) == [("PR", 400)]


async def test_a_reset_during_a_body_is_not_its_end():
    async def handle(reader, writer):
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nhello")
        await writer.drain()
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()

    async with Environment() as environment:
        await environment.origin(handle)
        client = (await environment.client()).send(GET)
        await client.head()
        with pytest.raises(ConnectionResetError):
            await client.reader.readuntil(b"0\r\n\r\n")
        await until(lambda: environment.records)
        assert endings(environment) == [("SD", 200)]


async def test_a_configured_limit_applies():
    async with Environment(max_head=100) as environment:
        client = (await environment.client()).send(
            b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 100 + b"\r\n\r\n"
        )
        assert (await client.answer())[0] == 431
