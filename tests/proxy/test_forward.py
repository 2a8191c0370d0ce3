"""One request from the client to a backend and back: framing, fields, and what keeps a connection open."""

import asyncio
from email.utils import parsedate_to_datetime
from time import time

import pytest

from pylb.proxy.batch import INLINE_LIMIT
from tests.environment import HOST, Environment, answers, read_chunks, read_request
from tests.until import until


def script(*responses):
    """An origin that sends these responses in order, one per request, on any number of connections."""
    left = list(responses)

    async def handle(reader, writer):
        while left and await read_request(reader):
            writer.write(left.pop(0))

    return handle


async def test_request_and_response_are_forwarded():
    async with Environment() as environment:
        await environment.origin(answers(b"hello"))
        status, head, body = await environment.get("/")
        assert (status, body) == (200, b"hello")
        assert b"Connection" not in head


async def test_the_backend_receives_forwarding_fields():
    seen = []

    async def handle(reader, writer):
        seen.append(await read_request(reader))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with Environment() as environment:
        await environment.origin(handle)
        await environment.get(
            "/a%2Fb/../c?x=%20&y", b"X-Forwarded-For: 6.6.6.6\r\nConnection: x-hop\r\nX-Hop: 1\r\n"
        )
    start, *fields = seen[0].removesuffix(b"\r\n\r\n").split(b"\r\n")
    assert start == b"GET /a%2Fb/../c?x=%20&y HTTP/1.1"
    assert {b"Host: shop.example", b"X-Forwarded-For: 127.0.0.1", b"X-Forwarded-Proto: http"} <= set(fields)
    assert {b"X-Forwarded-Host: shop.example", b"X-Real-IP: 127.0.0.1"} <= set(fields)
    assert b"X-Forwarded-Port: 80" in fields
    assert not [f for f in fields if f.lower().startswith((b"x-hop", b"connection"))]


async def test_two_requests_reuse_one_backend_connection():
    async with Environment() as environment:
        origin = await environment.origin(answers(b"hello"))
        client = await environment.client()
        for _ in range(3):
            client.send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
            assert (await client.answer())[2] == b"hello"
        assert origin.connections == 1
        assert repr(environment.pool) == "<Pool web: 1 up, 0 draining | 0 active, 1 idle>"


async def test_pipelined_requests_are_answered_in_order():
    async def handle(reader, writer):
        while head := await read_request(reader):
            path = head.split(b" ")[1]
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(path), path))

    async with Environment() as environment:
        await environment.origin(handle)
        client = await environment.client()
        client.send(b"".join(b"GET /%d HTTP/1.1\r\n%b\r\n" % (n, HOST) for n in range(50)))
        assert [(await client.answer())[2] for n in range(50)] == [b"/%d" % n for n in range(50)]


async def test_a_chunked_response_stays_chunked_without_extensions():
    async with Environment() as environment:
        await environment.origin(
            script(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"5;x=y\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n",
                b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            )
        )
        client = (await environment.client()).send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        assert b"\r\nTransfer-Encoding: chunked\r\n" in await client.head()
        assert (
            await client.reader.readuntil(b"0\r\nX-Sum: 1\r\n\r\n") == b"5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"
        )
        client.send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        assert (await client.answer())[2] == b"ok"


async def test_an_http_1_0_client_receives_no_chunks():
    async with Environment() as environment:
        await environment.origin(
            script(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3\r\n, w\r\n0\r\n\r\n"
            )
        )
        client = (await environment.client()).send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        head, _, body = (await client.rest()).partition(b"\r\n\r\n")
        assert b"chunked" not in head
        assert b"\r\nConnection: close" in head
        assert body == b"hello, w"


async def test_an_http_1_0_connection_persists_if_the_length_is_known():
    async with Environment() as environment:
        await environment.origin(answers(b"hello"))
        client = await environment.client()
        for _ in range(2):
            client.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            _, head, body = await client.answer()
            assert body == b"hello"
            assert b"\r\nConnection: keep-alive\r\n" in head


async def test_a_response_until_close_is_chunked_for_the_client():
    async def handle(reader, writer):
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nhello, ")
        await writer.drain()
        writer.write(b"world")

    async with Environment() as environment:
        await environment.origin(handle)
        client = (await environment.client()).send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        assert b"chunked" in await client.head()
        assert await read_chunks(client.reader) == b"hello, world"
        client.send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        assert b"200 OK" in await client.head()


async def test_head_204_and_304_have_no_body():
    async with Environment() as environment:
        await environment.origin(
            script(
                b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
                b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
                b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
                b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            )
        )
        client = await environment.client()
        client.send(b"HEAD / HTTP/1.1\r\n" + HOST + b"\r\n")
        assert b"Content-Length: 5" in await client.head()
        for status in (b"304", b"204"):
            client.send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
            assert status in await client.head()
        client.send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        assert (await client.answer())[2] == b"ok"


async def test_bodies_are_forwarded_by_length_and_in_chunks():
    bodies = []

    async def handle(reader, writer):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            bodies.append(
                await read_chunks(reader) if b"chunked" in head else await reader.readexactly(100_000)
            )
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    body = bytes(range(250)) * 400
    async with Environment() as environment:
        await environment.origin(handle)
        client = await environment.client()
        client.send(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 100000\r\n\r\n" + body)
        assert (await client.answer())[0] == 200
        client.send(b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n")
        for start in range(0, len(body), 7001):
            piece = body[start : start + 7001]
            client.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        client.send(b"0\r\n\r\n")
        assert (await client.answer())[0] == 200
    assert bodies == [body, body]
    assert [record.received for record in environment.records] == [100_000, 100_000]


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "cut"])
@pytest.mark.parametrize("size", [1, INLINE_LIMIT, INLINE_LIMIT + 1])
async def test_a_body_received_with_its_head_is_sent_with_it(size, cut):
    bodies = []

    async def handle(reader, writer):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            bodies.append(await reader.readexactly(size) if b"POST" in head else b"")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    body = b"x" * (size - 1) + b"!"
    async with Environment() as environment:
        await environment.origin(handle)
        client = await environment.client()
        sent = b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % size + body
        sent += b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
        if cut:
            end = sent.index(b"!")
            client.send(sent[:end])
            await until(
                lambda: any(each.served == 0 and each.pump for each in environment.server.context.connections)
            )
            sent = sent[end:]
        client.send(sent)
        assert [(await client.answer())[0] for _ in range(2)] == [200, 200]
    assert bodies == [body, b""]
    assert [record.received for record in environment.records] == [size, 0]


async def test_100_continue_is_relayed_and_the_body_follows():
    async def handle(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"Expect: 100-continue" in head
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await reader.readexactly(5)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" + body)

    async with Environment() as environment:
        await environment.origin(handle)
        client = await environment.client()
        client.send(b"PUT / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert await client.head() == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"hello")
        assert (await client.answer())[2] == b"hello"


async def test_too_many_interim_responses_are_a_502():
    async def handle(reader, writer):
        await read_request(reader)
        while not writer.is_closing():
            writer.write(b"HTTP/1.1 102 Processing\r\n\r\n" * 1000)
            await writer.drain()

    async with Environment() as environment:
        await environment.origin(handle)
        client = (await environment.client()).send(b"GET / HTTP/1.0\r\n\r\n")
        assert (await client.answer())[0] == 502
        assert [record.termination for record in environment.records] == ["SH"]


async def test_every_response_has_a_date():
    async with Environment() as environment:
        _, rejected, _ = await (await environment.client()).send(b"BAD\r\n\r\n").answer()
        await environment.origin(answers(b"hello"))
        _, passed, _ = await environment.get()
    for head in (rejected, passed):
        (date,) = [line[6:] for line in head.split(b"\r\n") if line.startswith(b"Date: ")]
        assert abs(parsedate_to_datetime(date.decode()).timestamp() - time()) < 60


async def test_early_hints_are_forwarded_and_an_early_response_closes_the_connection():
    async def handle(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
            b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"
        )
        await reader.read(-1)

    async with Environment(linger_silence=0.1) as environment:
        await environment.origin(handle)
        client = await environment.client()
        client.send(b"PUT / HTTP/1.1\r\n" + HOST + b"Content-Length: 50\r\n\r\nhello")
        assert b"103 Early Hints\r\nLink: </a.css>" in await client.head()
        head = await client.head()
        assert b"413 Too Large" in head
        assert b"Connection: close" in head
        await until(lambda: environment.records)
        assert repr(environment.pool) == "<Pool web: 1 up, 0 draining | 0 active, 0 idle>"


async def test_the_client_can_close_the_connection():
    async with Environment() as environment:
        await environment.origin(answers(b"hello"))
        client = (await environment.client()).send(
            b"GET / HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n"
        )
        answer = await client.rest()
        assert answer.endswith(b"\r\n\r\nhello")
        assert b"\r\nConnection: close\r\n" in answer


async def test_no_route_is_a_404_and_no_backend_a_503_with_retry_after():
    async with Environment() as environment:
        status, head, _ = await environment.get("/")
        assert status == 503
        assert b"\r\nRetry-After: 1\r\n" in head
        assert [(r.termination, r.status) for r in environment.records] == [("DQ", 503)]
        client = (await environment.client()).send(b"GET / HTTP/1.1\r\n\r\n")
        status, head, _ = await client.answer()
        assert (status, b"Retry-After" in head) == (400, False)


async def test_server_sent_events_are_forwarded_immediately():
    more = asyncio.Event()

    async def handle(reader, writer):
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
        await more.wait()
        writer.write(b"data: 2\n\n")

    async with Environment() as environment:
        await environment.origin(handle)
        client = (await environment.client()).send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        await client.head()
        assert await client.reader.readexactly(14) == b"9\r\ndata: 1\n\n\r\n"
        more.set()
        assert await client.reader.readexactly(14) == b"9\r\ndata: 2\n\n\r\n"


async def test_the_last_piece_of_a_body_is_written_before_the_connection_closes():
    async def handle(reader, writer):
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        await writer.drain()
        await asyncio.sleep(0)
        writer.write(b"world")

    async with Environment() as environment:
        await environment.origin(handle)
        for _ in range(20):
            client = (await environment.client()).send(
                b"GET / HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n"
            )
            assert (await client.rest()).endswith(b"\r\n\r\nhelloworld")
