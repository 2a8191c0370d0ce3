"""Idle connections to backends: retention, reuse and detection of closed ones."""

import asyncio
from types import SimpleNamespace

from pylb.model import Endpoint
from pylb.policy.backend import State
from pylb.proxy.upstream.idle import close_idle, retire, reuse
from tests.environment import HOST, Environment, answers, read_request
from tests.until import until

ANYBODY = SimpleNamespace(bound=None)
"""A client to which no backend connection is bound."""

GET = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"


async def test_the_most_recently_used_connection_is_reused():
    release = asyncio.Event()

    async def handle(reader, writer):
        while await read_request(reader):
            await release.wait()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with Environment() as environment:
        origin = await environment.origin(handle)
        clients = [(await environment.client()).send(GET) for _ in range(3)]
        await until(lambda: origin.open == 3)
        release.set()
        for client in clients:
            await client.answer()
        (backend,) = environment.pool.backends.values()
        newest = backend.idle[-1]
        assert reuse(backend.idle, ANYBODY, careful=False) is newest
        assert len(backend.idle) == 2
        close_idle(backend)
        await until(lambda: origin.open == 1)
        newest.client = None
        newest.close()


async def test_an_idle_connection_closed_by_the_backend_is_removed():
    async def handle(reader, writer):
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with Environment() as environment:
        await environment.origin(handle)
        await environment.get()
        (backend,) = environment.pool.backends.values()
        await until(lambda: not backend.idle)


async def test_bytes_on_an_idle_connection_close_it():
    talk = asyncio.Event()

    async def handle(reader, writer):
        number = origin.connections
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        if number == 1:
            await talk.wait()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")
            await reader.read(-1)

    async with Environment(upstream_keepalive=3600) as environment:
        origin = await environment.origin(handle)
        assert (await environment.get())[2] == b"hello"
        await until(lambda: repr(environment.pool).endswith("| 0 active, 1 idle>"))
        talk.set()
        await until(lambda: origin.open == 0)
        assert repr(environment.pool).endswith("| 0 active, 0 idle>")
        assert (await environment.get())[2] == b"hello"


async def test_a_connection_with_unexpected_bytes_is_not_reused_in_the_same_loop_iteration():
    async with Environment(upstream_keepalive=3600) as environment:
        await environment.origin(answers(b"hello"))
        await environment.get()
        (backend,) = environment.pool.backends.values()
        (idle,) = backend.idle
        idle.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")
        assert reuse(backend.idle, ANYBODY, careful=False) is None


async def test_a_connection_that_ends_is_not_reused_in_the_same_loop_iteration():
    async with Environment(upstream_keepalive=3600) as environment:
        await environment.origin(answers(b"hello"))
        await environment.get()
        (backend,) = environment.pool.backends.values()
        (idle,) = backend.idle
        idle.eof_received()
        assert reuse(backend.idle, ANYBODY, careful=False) is None
        idle.close()


async def test_retired_connections_close_the_idle_ones_now_and_the_others_after_their_exchange():
    release = asyncio.Event()

    async def handle(reader, writer):
        while head := await read_request(reader):
            if b"/wait" in head:
                await release.wait()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")

    async with Environment(upstream_keepalive=3600) as environment:
        origin = await environment.origin(handle)
        waiting = (await environment.client()).send(GET.replace(b"/", b"/wait", 1))
        await until(lambda: origin.open == 1)
        await environment.get()
        assert origin.open == 2
        (backend,) = environment.pool.backends.values()
        retire(backend)
        await until(lambda: origin.open == 1)
        release.set()
        assert (await waiting.answer())[2] == b"hello"
        await until(lambda: origin.open == 0)


async def test_a_keep_alive_of_zero_keeps_no_connection():
    async with Environment(upstream_keepalive=0) as environment:
        origin = await environment.origin(answers(b"hello"))
        client = await environment.client()
        for number in range(1, 4):
            assert (await client.send(GET).answer())[2] == b"hello"
            assert origin.connections == number
            await until(lambda: origin.open == 0)


async def test_a_keep_alive_below_a_second_keeps_connections():
    async with Environment(upstream_keepalive=0.9) as environment:
        origin = await environment.origin(answers(b"hello"))
        client = await environment.client()
        for _ in range(3):
            assert (await client.send(GET).answer())[2] == b"hello"
        assert origin.connections == 1


async def test_a_response_head_may_arrive_in_pieces():
    """Each piece arrives after the previous one has been processed."""
    pieces = [
        b"HTTP/1.1 200 OK\r\nX-First: 1\r\n",
        b"X-Second: 2\r\nContent-Le",
        b"ngth: 5\r\n\r",
        b"\nhello",
    ]

    async def handle(reader, writer):
        await read_request(reader)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.01)

    async with Environment() as environment:
        await environment.origin(handle)
        status, head, body = await environment.get()
        assert (status, body) == (200, b"hello")
        assert b"\r\nX-First: 1\r\nX-Second: 2\r\n" in head


async def test_requests_of_a_removed_backend_finish_and_its_connections_close():
    release = asyncio.Event()

    async def handle(reader, writer):
        while await read_request(reader):
            await release.wait()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")

    async with Environment() as environment:
        leaving = await environment.origin(handle)
        client = (await environment.client()).send(GET)
        await until(lambda: leaving.open == 1)
        staying = await environment.origin(answers(b"other"))
        environment.register(staying.endpoint)
        (backend,) = environment.pool.draining.values()
        assert backend.state is State.DRAINING
        assert [(await environment.get())[2] for _ in range(3)] == [b"other"] * 3
        release.set()
        assert (await client.answer())[2] == b"hello"
        await until(lambda: leaving.open == 0)
        assert backend.state is State.GONE


async def test_a_changed_address_is_another_backend_and_the_old_connections_are_closed():
    async with Environment() as environment:
        old = await environment.origin(answers(b"old"))
        new = await environment.origin(answers(b"new"))
        environment.register(Endpoint("web", "127.0.0.1", old.endpoint.port, id="web-1"))
        assert (await environment.get())[2] == b"old"
        environment.register(Endpoint("web", "127.0.0.1", new.endpoint.port, id="web-1"))
        assert (await environment.get())[2] == b"new"
        await until(lambda: old.open == 0)


async def test_a_changed_weight_keeps_backend_and_connection():
    async with Environment() as environment:
        origin = await environment.origin(answers(b"hello"))
        await environment.get()
        port = origin.endpoint.port
        environment.register(Endpoint("web", "127.0.0.1", port, id="web-1", weight=5))
        await environment.get()
        assert origin.connections == 1
