"""The life of a connection with HTTP/2 to a backend: GOAWAY, closing, and signs of life."""

import asyncio

import h2.errors

from tests.environment import HOST, Environment
from tests.h2_peers import H2Backend, answering
from tests.until import until


def environment(**options):
    return Environment(context={"protocol": "h2"}, **options)


async def test_goaway_in_mid_flight_loses_nothing():
    async def script(stream):
        if len(backend.peers) == 1 and stream.number == 5:
            backend.goaway(3)
        await answering()(stream)

    async with environment() as env:
        backend = H2Backend(script)
        origin = await env.origin(backend)
        await env.get()
        client = [await env.client() for _ in range(4)]
        for one in client:
            one.send(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\nhi")
        assert [(await one.answer())[0] for one in client] == [200] * 4
        assert origin.connections == 2
        assert [lease.resend for lease in env.records[-1].attempts] in ([True, False], [False])
        assert env.pool.events["suspect"] == 0


async def test_a_connection_closes_when_it_is_idle():
    async with environment(upstream_keepalive=0.1) as env:
        backend = H2Backend(answering())
        origin = await env.origin(backend)
        await env.get()
        await until(lambda: not origin.open)
        assert any(type(event).__name__ == "ConnectionTerminated" for event in backend.peers[0].events)
        assert (await env.get())[0] == 200
        assert origin.connections == 2


async def test_a_removed_backend_loses_its_idle_connection():
    async with environment() as env:
        origin = await env.origin(H2Backend(answering()))
        await env.get()
        assert origin.open == 1
        env.register()
        await until(lambda: not origin.open)


async def test_a_removed_backend_finishes_its_streams():
    async def script(stream):
        await stream.whole()
        await going_on.wait()
        await answering()(stream)

    going_on = asyncio.Event()
    async with environment() as env:
        backend = H2Backend(script)
        origin = await env.origin(backend)
        get = asyncio.ensure_future(env.get())  # noqa: TID251
        await until(lambda: backend.streams)
        env.register()
        going_on.set()
        assert (await get)[0] == 200
        await until(lambda: not origin.open)


async def test_a_connection_that_the_backend_has_closed_meanwhile_is_no_failure():
    async def script(stream):
        if len(backend.peers) == 1 and stream.number == 3:
            stream.peer.writer.transport.abort()
            return
        await answering()(stream)

    async with environment() as env:
        backend = H2Backend(script)
        origin = await env.origin(backend)
        assert (await env.get())[0] == 200
        assert (await env.get())[0] == 200
        assert origin.connections == 2
        assert [lease.resend for lease in env.records[1].attempts] == [True, False]
        assert env.pool.events["suspect"] == 0


async def test_a_backend_with_http1_is_a_clear_502():
    async def http1(reader, writer):
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    async with environment(retries=0) as env:
        await env.origin(http1)
        assert (await env.get())[0] == 502
        assert env.records[0].detail.endswith("violated HTTP/2: it uses HTTP/1")


async def test_a_dead_connection_is_found_by_a_ping(monkeypatch):
    monkeypatch.setattr("pylb.proxy.upstream.h2_connection.PING_TIMEOUT", 0.1)

    async def script(stream):
        if stream.number == 3:
            stream.peer.writer.transport.pause_reading()
        else:
            await answering()(stream)

    async with environment(retries=0, response_timeout=0.05, suspect_time=0, eject_failures=0) as env:
        backend = H2Backend(script)
        origin = await env.origin(backend)
        assert (await env.get())[0] == 200
        assert (await env.get())[0] == 504
        assert (await env.get())[0] == 200  # On another connection, because the first one is in doubt.
        assert origin.connections == 2
        (pool,) = [each.multiplexed for each in env.pool.backends.values()]
        await until(lambda: len(pool._connections) == 1)


async def test_a_slow_backend_that_is_alive_keeps_its_connection():
    async def script(stream):
        if stream.number == 3:
            await stream.until(lambda: stream.reset_code is not None)
        else:
            await answering()(stream)

    async with environment(retries=0, response_timeout=0.05, suspect_time=0, eject_failures=0) as env:
        backend = H2Backend(script)
        origin = await env.origin(backend)
        assert (await env.get())[0] == 200
        assert (await env.get())[0] == 504
        await backend.streams[1].whole()
        assert backend.streams[1].reset_code == h2.errors.ErrorCodes.CANCEL
        (pool,) = [each.multiplexed for each in env.pool.backends.values()]
        await until(lambda: pool._connections[0].room)
        assert (await env.get())[0] == 200
        assert origin.connections == 1
