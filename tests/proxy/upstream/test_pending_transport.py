"""The pending transport, used until the loop has created the real one."""

import socket

from pylb.proxy.upstream.pending_transport import PendingTransport
from tests.environment import HOST, Environment
from tests.until import until


def test_it_writes_to_the_socket_and_buffers_the_rest():
    near, far = socket.socketpair()
    near.setblocking(False)
    pending = PendingTransport(near.fileno())
    pending.write(b"hello")
    assert far.recv(100) == b"hello"
    pending.write(b"x" * 10_000_000)
    taken = 10_000_000 - len(pending.left)
    assert 0 < taken < 10_000_000
    pending.write(b"more")
    assert pending.left.endswith(b"xmore")
    near.close()
    far.close()


def test_errors_are_left_to_the_transport():
    near, far = socket.socketpair()
    far.close()
    pending = PendingTransport(near.fileno())
    pending.write(b"hello")
    assert pending.left == b"hello"
    near.close()


def test_an_abandoned_transport_writes_nothing():
    near, far = socket.socketpair()
    pending = PendingTransport(near.fileno())
    pending.abort()
    pending.write(b"hello")
    assert pending.is_closing()
    near.close()
    assert far.recv(100) == b""
    far.close()


async def test_a_large_body_arrives_completely_on_a_new_connection():
    body = bytes(range(256)) * 40_000
    seen = []

    async def handle(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        seen.append(await reader.readexactly(len(body)))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with Environment() as environment:
        await environment.origin(handle)
        client = await environment.client()
        client.send(b"POST / HTTP/1.1\r\n%bContent-Length: %d\r\n\r\n%b" % (HOST, len(body), body))
        assert b" 204 " in await client.head()
    assert seen == [body]


async def test_a_connection_abandoned_before_its_transport_exists_is_closed():
    async def handle(reader, writer):
        await reader.read(-1)

    async with Environment() as environment:
        origin = await environment.origin(handle)
        client = await environment.client()
        client.send(b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n")
        assert (await client.answer())[0] == 400
        await until(lambda: origin.connections == 1 and origin.open == 0)
