"""Which connection with HTTP/2 carries a request, and when another one is opened."""

import asyncio

import h2.errors

from tests.environment import HOST, Environment, answers
from tests.h2_peers import H2Backend, answering
from tests.until import until


def environment(**options):
    return Environment(context={"protocol": "h2"}, **options)


async def test_a_hundred_requests_share_one_connection():
    async def script(stream):
        await together.wait()
        await answering(stream.heads[0][":path"].encode())(stream)

    together = asyncio.Event()
    async with environment() as env:
        backend = H2Backend(script)
        origin = await env.origin(backend)
        gets = [asyncio.ensure_future(env.get(f"/{n}")) for n in range(100)]  # noqa: TID251
        await until(lambda: len(backend.streams) == 100)
        together.set()
        answers = [await get for get in gets]
        assert {status for status, *_ in answers} == {200}, {record.detail for record in env.records}
        assert {body for *_, body in answers} == {b"/%d" % n for n in range(100)}
        assert origin.connections == 1


async def test_requests_are_balanced_and_not_connections():
    async with environment() as env:
        backends = [H2Backend(answering()), H2Backend(answering())]
        for backend in backends:
            await env.origin(backend)
        client = await env.client()
        for _ in range(10):
            client.send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
            assert (await client.answer())[0] == 200
        assert sorted(len(backend.streams) for backend in backends) in ([5, 5], [4, 6])
        assert [origin.connections for origin in env.origins] == [1, 1]


async def test_more_requests_than_a_backend_accepts_open_another_connection():
    async def script(stream):
        await together.wait()
        await answering()(stream)

    together = asyncio.Event()
    async with environment() as env:
        backend = H2Backend(script, settings={3: 2})
        origin = await env.origin(backend)
        gets = [asyncio.ensure_future(env.get()) for _ in range(6)]  # noqa: TID251
        await until(lambda: len(backend.streams) == 6)
        assert origin.connections == 3
        (pooled,) = env.pool.backends.values()
        assert pooled.http2 == (3, 6)
        together.set()
        assert {(await get)[0] for get in gets} == {200}
        assert pooled.http2 == (3, 0)


async def test_requests_wait_when_all_connections_are_full(monkeypatch):
    async def script(stream):
        await answering()(stream)

    monkeypatch.setattr("pylb.proxy.upstream.h2_pool.MAX_CONNECTIONS", 1)
    async with environment() as env:
        backend = H2Backend(script, settings={3: 2})
        origin = await env.origin(backend)
        answers = await asyncio.gather(*[env.get() for _ in range(50)])
        assert {status for status, *_ in answers} == {200}
        assert origin.connections == 1


async def test_a_request_that_waits_too_long_for_a_stream_is_a_503_of_pylb(monkeypatch):
    async def never(stream):
        await stream.whole()

    monkeypatch.setattr("pylb.proxy.upstream.h2_pool.MAX_CONNECTIONS", 1)
    async with environment(connect_timeout=0.1) as env:
        backend = H2Backend(never, settings={3: 1})
        await env.origin(backend)
        first = await env.client()
        first.send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        await until(lambda: backend.streams)
        assert (await env.get())[0] == 503
        assert env.records[-1].termination == "RQ"
        assert "no stream was free for 0.1 s" in env.records[-1].detail


async def test_a_refused_connection_fails_all_that_wait_for_it():
    async with environment(retries=0) as env:
        origin = await env.origin(answers())
        origin.close()
        await origin.server.wait_closed()
        answered = await asyncio.gather(*[env.get() for _ in range(20)])
        assert {status for status, *_ in answered} == {503}


async def test_a_backend_that_requires_http1_gets_it():
    requests = []

    async def either(reader, writer):
        first = await reader.readexactly(3)
        requests.append(first)
        if first == b"PRI":
            reader.feed_data(b"")
            reader._buffer[:0] = first
            await H2Backend(requires_http1)(reader, writer)
        else:
            reader._buffer[:0] = first
            await answers(b"one")(reader, writer)

    async def requires_http1(stream):
        stream.reset(h2.errors.ErrorCodes.HTTP_1_1_REQUIRED)

    async with environment() as env:
        await env.origin(either)
        for _ in range(2):
            client = await env.client()
            client.send(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\nhi")
            assert (await client.answer())[2] == b"one"
        assert requests == [b"PRI", b"POS"]
