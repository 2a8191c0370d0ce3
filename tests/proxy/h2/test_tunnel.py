"""WebSockets over HTTP/2 (RFC 8441): extended CONNECT opens a tunnel on one stream."""

import asyncio
import socket

import pytest

from pylb.http2.errors import ErrorCode
from pylb.proxy.client_connection import RESET
from tests.environment import Environment, read_request
from tests.proxy.h2.client import connect
from tests.until import until

AGREE = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Accept: abc\r\nSec-WebSocket-Protocol: chat\r\n\r\n"
)
LARGE = bytes(range(256)) * 8192


def open_tunnel(client, *fields):
    """Ask for a WebSocket; return the stream."""
    number = client.begin("/chat", (":protocol", "websocket"), *fields, method="CONNECT", end=False)
    client.flush()
    return number


async def echo(reader, writer):
    """Agree, send everything back, and `bye` when the other side has ended."""
    await read_request(reader)
    writer.write(AGREE)
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.write(b"bye")


async def test_a_websocket_is_a_tunnel_on_a_stream():
    heads = []

    async def handle(reader, writer):
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(AGREE)
        writer.write(await reader.readexactly(5))
        await reader.read(-1)

    async with Environment() as environment:
        await environment.origin(handle)
        client = await connect(environment)
        number = open_tunnel(client, ("sec-websocket-protocol", "chat"), ("sec-websocket-version", "13"))
        reply = client.replies[number]
        await until(lambda: reply.status)
        assert reply.status == 200
        assert reply.fields["sec-websocket-protocol"] == "chat"
        assert reply.fields.keys().isdisjoint({"sec-websocket-accept", "connection", "upgrade"})
        client.send(number, b"hello")
        await until(lambda: reply.body == b"hello")
        (head,) = heads
        assert head.startswith(b"GET /chat HTTP/1.1\r\nHost: shop.example\r\n")
        lower = head.lower()
        assert b"\r\nupgrade: websocket\r\n" in lower
        assert b"\r\nsec-websocket-key: " in lower
        assert b"\r\nsec-websocket-protocol: chat\r\n" in lower


async def test_what_is_sent_before_the_answer_reaches_the_backend():
    async with Environment() as environment:
        await environment.origin(echo)
        client = await connect(environment)
        number = client.begin("/chat", (":protocol", "websocket"), method="CONNECT", end=False)
        client.send(number, b"early")
        reply = client.replies[number]
        await until(lambda: reply.body == b"early")


async def test_many_bytes_flow_in_both_directions_and_the_clients_end_is_passed_on():
    async with Environment() as environment:
        await environment.origin(echo)
        client = await connect(environment)
        number = open_tunnel(client)
        await client.upload(number, LARGE, end=True)
        reply = await client.ended(number)
        assert reply.body == LARGE + b"bye"
        assert reply.reset is None
        await until(lambda: environment.records)
        (record,) = environment.records
        assert (record.status, record.received, record.sent) == (101, len(LARGE), len(LARGE) + 3)
        assert record.termination == "--"


async def test_the_end_of_the_client_with_its_head_is_passed_on():
    async with Environment() as environment:
        await environment.origin(echo)
        client = await connect(environment)
        number = client.begin("/chat", (":protocol", "websocket"), method="CONNECT", end=False)
        client.send(number, b"early", end=True)
        assert (await client.ended(number)).body == b"earlybye"


async def test_the_end_of_the_backend_leaves_the_other_direction_open():
    received = []

    async def handle(reader, writer):
        await read_request(reader)
        writer.write(AGREE + b"bye")
        writer.write_eof()
        received.append(await reader.read(-1))

    async with Environment() as environment:
        await environment.origin(handle)
        client = await connect(environment)
        number = open_tunnel(client)
        assert (await client.ended(number)).body == b"bye"
        client.send(number, b"not yet", end=True)
        await until(lambda: received)
        assert received == [b"not yet"]
        await until(lambda: environment.records)
        assert client.replies[number].reset is None


async def test_a_tunnel_whose_backend_breaks_ends_in_a_reset():
    async def handle(reader, writer):
        await read_request(reader)
        writer.write(AGREE + b"half a mess")
        await reader.readexactly(2)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        writer.transport.abort()

    async with Environment() as environment:
        await environment.origin(handle)
        client = await connect(environment)
        number = open_tunnel(client)
        reply = client.replies[number]
        await until(lambda: reply.body)
        client.send(number, b"go and more that is never read")
        await until(lambda: reply.over)
        assert (reply.ended, reply.reset) == (False, ErrorCode.INTERNAL_ERROR)


async def test_a_reset_by_the_client_closes_the_tunnel():
    async with Environment() as environment:
        origin = await environment.origin(echo)
        client = await connect(environment)
        number = open_tunnel(client)
        await until(lambda: client.replies[number].status)
        client.reset(number)
        await until(lambda: not origin.open)
        await until(lambda: environment.records)


async def test_a_silent_tunnel_ends_at_its_timeout():
    async with Environment(tunnel_timeout=0.1) as environment:
        origin = await environment.origin(echo)
        client = await connect(environment)
        number = open_tunnel(client)
        reply = await client.ended(number)
        assert (reply.status, reply.ended, reply.reset) == (200, False, ErrorCode.INTERNAL_ERROR)
        await until(lambda: not origin.open)
        assert environment.records[0].termination == "cT"


async def test_a_backend_may_refuse_and_the_connection_continues():
    async def handle(reader, writer):
        while await read_request(reader):
            writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno")

    async with Environment() as environment:
        await environment.origin(handle)
        client = await connect(environment)
        number = open_tunnel(client)
        client.send(number, b"bytes of the tunnel")
        await until(lambda: client.replies[number].reset is not None)
        reply = client.replies[number]
        assert (reply.status, reply.body, reply.ended, reply.reset) == (404, b"no", True, 0)
        assert (await client.get()).status == 404


@pytest.mark.parametrize(("protocol", "status"), [("connect-udp", 501), ("WebSocket", 501)])
async def test_other_protocols_are_refused(protocol, status):
    async with Environment() as environment:
        client = await connect(environment)
        number = client.begin("/", (":protocol", protocol), method="CONNECT", end=False)
        client.flush()
        await until(lambda: client.replies[number].status)
        assert client.replies[number].status == status


async def test_a_tunnel_outlives_a_drain_until_its_end():
    async with Environment() as environment:
        await environment.origin(echo)
        client = await connect(environment)
        number = open_tunnel(client)
        await until(lambda: client.replies[number].status)
        draining = asyncio.ensure_future(environment.server.drain(10))  # noqa: TID251
        await until(lambda: len(client.goaways) == 2)
        client.send(number, b"still", end=True)
        assert (await client.ended(number)).body == b"stillbye"
        assert await draining == 0
