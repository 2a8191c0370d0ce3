"""The end of a client's connection: no answer is lost because the client sends more than is read."""

import asyncio
import socket
import ssl
from contextlib import suppress
from time import monotonic

import pytest

from pylb.proxy import closing, sweep
from tests.certificates import Authority, presented
from tests.environment import HOST, Client, Environment, answers
from tests.proxy.tls.test_certificates import connect, serve, trusting
from tests.until import until

GET = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
POST = b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 100000000\r\n\r\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def pair(authority):
    return authority.sign("shop.example")


@pytest.fixture(autouse=True)
def _sweeps_are_frequent(monkeypatch):
    monkeypatch.setattr(sweep, "PERIOD", 0.02)


@pytest.fixture(params=["plain", "tls"])
def reach(request, authority, pair):
    """Connect to the server."""

    async def plain(environment):
        return await environment.client()

    async def tls(environment):
        port = await serve(environment, presented([pair]))
        return await connect(port, trusting(authority))

    return {"plain": plain, "tls": tls}[request.param]


async def send_for(client, seconds):
    """Send a few bytes at intervals for this time; raise if the connection breaks."""
    end = monotonic() + seconds
    while monotonic() < end:
        client.send(b"x" * 1000)
        await client.writer.drain()
        await asyncio.sleep(0.02)


async def sweeps(environment, count):
    """Wait for this number of sweeps."""
    seen = set()
    await until(lambda: seen.add(environment.server.sweep.due) or len(seen) > count)


async def refuses_early(reader, writer):
    """A backend that responds before it has read the body, and then reads the rest."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
    writer.write_eof()
    await reader.read(-1)


@pytest.mark.parametrize(
    ("limit", "sent", "status"),
    [(1000, POST, 413), (float("inf"), POST, 401), (float("inf"), b"\0\r\n\r\n", 400)],
)
async def test_an_early_response_can_be_read_after_the_upload(reach, limit, sent, status):
    async with Environment(max_body=limit) as environment:
        await environment.origin(refuses_early)
        client = await reach(environment)
        client.send(sent)
        await until(lambda: environment.records)
        await sweeps(environment, 3)  # It may be silent for a while, too.
        await send_for(client, seconds=0.1)
        assert (await client.answer())[0] == status
        client.close()


async def test_the_discard_time_exceeds_the_silence_timeout(reach):
    async with Environment(max_body=1000, linger_silence=0.1) as environment:
        client = await reach(environment)
        client.send(POST)
        await until(lambda: environment.records)
        await send_for(client, seconds=0.25)
        assert (await client.answer())[0] == 413
        begun = monotonic()
        await until(lambda: not environment.server.context.connections)
        assert monotonic() - begun < 2, "it is silent now"
        client.close()


async def test_an_endless_upload_is_aborted(reach):
    async with Environment(max_body=1000, linger=0.3, linger_silence=5) as environment:
        client = await reach(environment)
        client.send(POST)
        begun = monotonic()
        with suppress(ConnectionError, ssl.SSLError):
            await send_for(client, seconds=5)
        await until(lambda: not environment.server.context.connections)
        assert 0.3 <= monotonic() - begun < 4
        client.close()


async def test_pipelined_requests_do_not_destroy_the_last_response(reach):
    async with Environment(max_requests=1) as environment:
        await environment.origin(answers(b"hello"))
        client = await reach(environment)
        client.send(GET * 3)
        await until(lambda: environment.records)
        await send_for(client, seconds=0.1)
        _, head, body = await client.answer()
        assert body == b"hello"
        assert b"\r\nConnection: close\r\n" in head
        assert len(environment.records) == 1
        client.close()


async def test_a_rejection_half_closes_plain_connections_immediately():
    """TLS has no half-close."""
    async with Environment() as environment:
        client = await environment.client()
        client.send(b"\x16\x03" + b"x" * 5_000_000)
        assert (await client.answer())[0] == 400
        (record,) = environment.records
        assert record.finished - record.started < environment.server.context.linger_silence
        assert await asyncio.wait_for(client.reader.read(), 1) == b""
        assert environment.server.context.connections, "it may send on, so that no reset destroys the answer"


async def test_a_client_that_does_not_read_costs_one_system_call_per_sweep(authority, pair, monkeypatch):
    """The amount of data that it sends meanwhile does not matter."""
    looks = []
    writable = closing.writable
    monkeypatch.setattr(closing, "writable", lambda connection: looks.append(1) or writable(connection))
    reading = socket.socket()
    reading.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    async with Environment() as environment:
        await environment.origin(answers(b"x" * 600_000))
        reading.connect(("127.0.0.1", await serve(environment, presented([pair]))))
        reading.setblocking(False)
        pending = asyncio.open_connection(
            sock=reading, ssl=trusting(authority), server_hostname="shop.example", limit=1024
        )
        client = Client(*await pending)
        client.writer.transport.pause_reading()
        client.send(b"GET / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
        await until(lambda: environment.records)
        for _ in range(50):
            client.send(b"x")
            await client.writer.drain()
            await asyncio.sleep(0.002)
        looks.clear()
        await sweeps(environment, 20)
        assert environment.server.context.flushing
        assert 19 <= len(looks) <= 30
        client.close()
