"""Tunnels after an upgrade: any protocol, half-close in both directions, unaffected by pool changes."""

import asyncio
from contextlib import AsyncExitStack, suppress

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from pylb.config.clients import Limits
from pylb.errors import ProxyError
from pylb.http1.parser import parse_request, parse_response
from pylb.model import Endpoint
from pylb.proxy.tunnel import check
from tests.certificates import Authority, presented
from tests.environment import HOST, Environment, answers, read_request
from tests.every import every
from tests.proxy.tls.test_certificates import connect as connect_tls
from tests.proxy.tls.test_certificates import serve as listen_tls
from tests.proxy.tls.test_certificates import trusting
from tests.until import until

ASK = b"GET /chat HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: echo\r\n"
AGREE = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
ENDPOINT = Endpoint("web", "127.0.0.1", 1, id="other")


async def echo(reader, writer):
    """Agree to an upgrade, then send everything back until the other side has ended."""
    if b"\r\nUpgrade: echo\r\n" not in await read_request(reader):
        return
    writer.write(AGREE)
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.write(b"bye")


async def opened(environment, early=b""):
    client = (await environment.client()).send(ASK + b"\r\n" + early)
    head = await client.head()
    assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert b"\r\nConnection: Upgrade\r\nUpgrade: echo\r\n" in head
    return client


async def echoed(client, data):
    client.send(data)
    return await asyncio.wait_for(client.reader.readexactly(len(data)), 10)


async def test_bytes_flow_in_both_directions_and_half_close_is_forwarded():
    async with Environment() as environment:
        await environment.origin(echo)
        client = await opened(environment)
        assert await echoed(client, b"ping") == b"ping"
        client.writer.write_eof()
        assert await client.rest() == b"bye"
        await until(lambda: environment.records)
        (record,) = environment.records
        assert (record.termination, record.status, record.received, record.sent) == ("--", 101, 4, 7)
        await until(lambda: not environment.server.context.connections)
        assert repr(environment.pool) == "<Pool web: 1 up, 0 draining | 0 active, 0 idle>"


async def test_over_tls_either_side_ends_the_tunnel(tmp_path):
    """A TLS connection cannot be half-closed: the backend's end closes the client's connection."""

    async def once(reader, writer):
        await read_request(reader)
        writer.write(AGREE)
        writer.write(await reader.readexactly(4))
        writer.write_eof()
        await reader.read(-1)

    authority = Authority(tmp_path)
    async with Environment() as environment:
        await environment.origin(once)
        port = await listen_tls(environment, presented([authority.sign("shop.example")]))
        client = (await connect_tls(port, trusting(authority))).send(ASK + b"\r\n")
        assert (await client.head()).startswith(b"HTTP/1.1 101 ")
        assert await asyncio.wait_for(client.send(b"ping").rest(), 10) == b"ping"
        await until(lambda: environment.records)
        assert [(r.termination, r.received, r.sent) for r in environment.records] == [("--", 4, 4)]
        client.close()


async def test_early_bytes_of_a_tunnel_are_not_lost():
    async def handle(reader, writer):
        await read_request(reader)
        writer.write(AGREE + b"welcome")
        writer.write(await reader.readexactly(5))
        await reader.read(-1)

    async with Environment() as environment:
        await environment.origin(handle)
        client = await opened(environment, early=b"early")
        assert await client.reader.readexactly(12) == b"welcomeearly"


async def test_much_data_flows_with_bounded_buffers():
    async with Environment() as environment:
        await environment.origin(echo)
        client = await opened(environment)
        assert await echoed(client, data := bytes(range(256)) * 32768) == data


async def test_a_rejected_upgrade_is_an_ordinary_response():
    async with Environment() as environment:
        await environment.origin(answers(b"no", status=b"426 Upgrade Required", extra=b"Upgrade: other\r\n"))
        client = await environment.client()
        for _ in range(2):
            client.send(ASK + b"\r\n")
            status, head, body = await client.answer()
            assert (status, body) == (426, b"no")
            assert b"\r\nConnection: Upgrade\r\nUpgrade: other\r\n" in head


def switch(asked, agreed, *, uploaded=True):
    request = parse_request(b"GET / HTTP/1.1\r\nHost: a\r\n" + asked + b"\r\n", Limits())
    response = parse_response(b"HTTP/1.1 101 X\r\nConnection: upgrade\r\n" + agreed + b"\r\n")
    check(request, response, "web-1", uploaded=uploaded)


UPGRADE = b"Connection: upgrade\r\nUpgrade: WebSocket, x/2\r\n"


def test_a_backend_may_switch_to_an_offered_protocol():
    switch(UPGRADE, b"Upgrade: websocket\r\n")
    switch(UPGRADE, b"Upgrade: x/2\r\n")


@every(
    ("asked", "agreed", "uploaded"),
    [
        (b"", b"Upgrade: websocket\r\n", True),
        (b"Upgrade: websocket\r\n", b"Upgrade: websocket\r\n", True),
        (UPGRADE, b"Upgrade: y\r\n", True),
        (UPGRADE, b"Upgrade: websocket, y\r\n", True),
        (UPGRADE, b"Upgrade: websocket\r\n", False),
        (b"Connection: upgrade\r\nUpgrade: h2c\r\n", b"Upgrade: h2c\r\n", True),
    ],
)
def test_any_other_switch_is_a_502(asked, agreed, uploaded):
    with pytest.raises(ProxyError) as raised:
        switch(asked, agreed, uploaded=uploaded)
    assert raised.value.status == 502


async def test_a_switch_during_the_request_body_is_a_502():
    got = bytearray()

    async def handle(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(AGREE + b"secret")
        got.extend(await reader.read(-1))

    async with Environment() as environment:
        origin = await environment.origin(handle)
        client = (await environment.client()).send(ASK + b"Content-Length: 10\r\n\r\nhello")
        status, _, body = await client.answer()
        assert (status, b"secret" in body) == (502, False)
        client.send(b"world, and more")
        await until(lambda: origin.open == 0)
        assert bytes(got) in {b"", b"hello"}


async def test_a_silent_tunnel_is_closed_after_the_timeout():
    async with Environment(tunnel_timeout=0.4) as environment:
        await environment.origin(echo)
        silent, busy = await opened(environment), await opened(environment)
        while not environment.records:
            assert await echoed(busy, b"still here") == b"still here"
            await asyncio.sleep(0.01)
        assert await silent.rest() == b""
        assert [(record.termination, record.status) for record in environment.records] == [("cT", 101)]
        assert await echoed(busy, b"still here") == b"still here"


async def test_a_half_closed_tunnel_has_a_shorter_timeout():
    async def handle(reader, writer):
        await read_request(reader)
        writer.write(AGREE)
        writer.write_eof()
        await reader.read(-1)

    async with Environment(tunnel_timeout=3600, body_timeout=0.1) as environment:
        await environment.origin(handle)
        client = await opened(environment)
        assert await client.rest() == b""
        await until(lambda: environment.records)


async def test_a_tunnel_whose_sides_do_not_read_times_out():
    async with Environment(tunnel_timeout=0.1, body_timeout=0.1) as environment:
        origin = await environment.origin(echo)
        client = await opened(environment)
        client.writer.transport.pause_reading()
        client.send(bytes(1 << 24))
        await until(lambda: not environment.server.context.connections)
        await until(lambda: not origin.open)


async def test_tunnels_of_a_removed_backend_continue():
    async with Environment() as environment:
        origin = await environment.origin(echo)
        client = await opened(environment)
        environment.register(ENDPOINT)
        environment.register()
        assert await echoed(client, b"still here") == b"still here"
        assert repr(environment.pool) == "<Pool web: 0 up, 1 draining | 1 active, 0 idle>"
        client.close()
        await until(lambda: not environment.pool.backends)
        await until(lambda: origin.open == 0)


async def test_a_tunnel_outlives_a_drain_up_to_its_deadline():
    async with Environment() as environment:
        await environment.origin(echo)
        client, stays = await opened(environment), await opened(environment)
        drain = asyncio.gather(environment.server.drain(0.5))
        await until(lambda: environment.server.context.draining)
        assert await echoed(client, b"still here") == b"still here"
        client.close()
        assert await drain == [1]
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await stays.reader.readexactly(1)


async def test_a_backend_that_dies_ends_its_tunnels():
    async def handle(reader, writer):
        await read_request(reader)
        writer.write(AGREE + b"last words")
        await reader.readexactly(1)

    async with Environment() as environment:
        await environment.origin(handle)
        client = (await opened(environment)).send(b"x")
        assert await client.rest() == b"last words"


async def exchange_messages(port, number, rounds):
    """One WebSocket client; fails if a message is lost or changed."""
    async with connect(f"ws://127.0.0.1:{port}/{number}", max_size=None) as socket:
        for batch in range(rounds):
            await socket.send([f"{number} ", "in ", "pieces ", str(batch)])
            assert await socket.recv() == f"{number} in pieces {batch}"
            await asyncio.wait_for(await socket.ping(), 10)
        if number % 10 == 0:
            await socket.send(big := bytes([number]) * (1 << 20))
            assert await socket.recv() == big
        await socket.close(4000 + number, "done")
    return socket.close_code


@pytest.mark.slow
async def test_no_websocket_is_closed_while_instances_change():
    codes = []

    async def handle(socket):
        with suppress(ConnectionClosed):
            async for message in socket:
                await socket.send(message)
        codes.append(socket.close_code)

    async with Environment() as environment, AsyncExitStack() as stack:
        servers = [
            await stack.enter_async_context(serve(handle, "127.0.0.1", 0, max_size=None)) for _ in range(3)
        ]
        ports = [server.sockets[0].getsockname()[1] for server in servers]
        endpoints = [Endpoint("web", "127.0.0.1", port, id=str(port)) for port in ports]
        environment.register(*endpoints)
        users = asyncio.gather(*(exchange_messages(environment.port, number, 10) for number in range(200)))
        changes = 0
        while not users.done():
            environment.register(*(e for i, e in enumerate(endpoints) if i != changes % 3))
            changes += 1
            await asyncio.sleep(0.005)
        assert changes > 20
        assert sorted(await users) == sorted(codes) == list(range(4000, 4200))
