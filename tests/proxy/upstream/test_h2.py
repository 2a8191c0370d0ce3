"""Exchanges with backends that use HTTP/2, from clients with HTTP/1.1."""

import asyncio

import h2.errors
import pytest

from tests.environment import HOST, Environment
from tests.h2_peers import OK, H2Backend, answering, echo
from tests.until import until


def environment(**options):
    return Environment(context={"protocol": "h2"}, **options)


async def test_a_get():
    async with environment() as env:
        backend = H2Backend(answering(b"hello"))
        await env.origin(backend)
        status, head, body = await env.get("/p?q", b"X-A: b\r\n")
        assert (status, body) == (200, b"hello")
        assert b"content-length: 5" in head
        (stream,) = backend.streams
        fields = stream.heads[0]
        assert (fields[":method"], fields[":path"], fields[":scheme"]) == ("GET", "/p?q", "http")
        assert fields[":authority"] == "shop.example"
        assert fields["x-a"] == "b"
        assert fields["x-forwarded-for"] == "127.0.0.1"
        assert "host" not in fields
        assert "connection" not in fields


@pytest.mark.parametrize("size", [1, 5000, 100_000, pytest.param(16 * 2**20, marks=pytest.mark.slow)])
async def test_a_body_goes_both_ways(size):
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    async with environment() as env:
        await env.origin(H2Backend(echo))
        client = await env.client()
        client.send(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % size + body)
        head = await client.head()
        assert b"transfer-encoding: chunked" in head.lower()
        received = bytearray()
        while length := int(await client.reader.readuntil(b"\r\n"), 16):
            received += (await client.reader.readexactly(length + 2))[:-2]
        assert received == body


async def test_a_body_of_known_length_ends_the_stream_with_its_last_byte():
    async with environment() as env:
        backend = H2Backend(answering())
        await env.origin(backend)
        client = await env.client()
        for size in (5, 50_000):
            client.send(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % size + b"x" * size)
            assert (await client.answer())[0] == 200
        assert [len(stream.body) for stream in backend.streams] == [5, 50_000]
        assert backend.streams[1].heads[0]["content-length"] == "50000"


async def test_chunks_and_trailers_of_a_request_become_frames():
    async with environment() as env:
        backend = H2Backend(answering())
        await env.origin(backend)
        client = await env.client()
        client.send(b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\nTE: trailers\r\n")
        client.send(b"Connection: TE\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n")
        assert (await client.answer())[0] == 200
        (stream,) = backend.streams
        assert stream.body == b"hello"
        assert stream.trailers == {"x-sum": "1"}
        assert stream.heads[0]["te"] == "trailers"


async def test_trailers_of_a_response_follow_its_chunks():
    async def script(stream):
        await stream.whole()
        stream.head([OK])
        stream.data(b"hello")
        stream.head([("grpc-status", "0")], end=True)

    async with environment() as env:
        await env.origin(H2Backend(script))
        client = await env.client()
        client.send(b"GET / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
        assert (await client.rest()).endswith(b"5\r\nhello\r\n0\r\ngrpc-status: 0\r\n\r\n")


async def test_interim_responses_are_passed_on():
    async def script(stream):
        stream.head([(":status", "103"), ("link", "</a>")])
        await stream.whole()
        await answering()(stream)

    async with environment() as env:
        await env.origin(H2Backend(script))
        client = await env.client()
        client.send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        assert (await client.head()).startswith(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n")
        assert (await client.answer())[2] == b"hello"


@pytest.mark.parametrize(("method", "status"), [(b"HEAD", "200"), (b"GET", "204"), (b"GET", "304")])
async def test_a_response_without_a_body(method, status):
    async def script(stream):
        await stream.whole()
        stream.head([(":status", status), ("content-length", "5")][: 1 if status == "204" else 2], end=True)

    async with environment() as env:
        await env.origin(H2Backend(script))
        client = await env.client()
        for _ in range(2):
            client.send(method + b" / HTTP/1.1\r\n" + HOST + b"\r\n")
            assert (await client.head()).startswith(b"HTTP/1.1 " + status.encode())


async def test_a_refused_post_is_sent_again_to_another_backend():
    async def refuse(stream):
        stream.reset(h2.errors.ErrorCodes.REFUSED_STREAM)

    async with environment() as env:
        refusing, good = H2Backend(refuse), H2Backend(echo)
        await env.origin(refusing)
        await env.origin(good)
        for _ in range(4):
            client = await env.client()
            client.send(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\nConnection: close\r\n\r\nhi")
            assert b"2\r\nhi\r\n0\r\n\r\n" in await client.rest()
        assert refusing.streams
        assert len(good.streams) == 4
        assert env.pool.events["suspect"] == 0


async def test_a_backend_that_always_refuses_is_a_502():
    async def refuse(stream):
        stream.reset(h2.errors.ErrorCodes.REFUSED_STREAM)

    async with environment() as env:
        backend = H2Backend(refuse)
        await env.origin(backend)
        assert (await env.get())[0] == 502
        assert len(backend.streams) == 2
        assert "reset the stream: REFUSED_STREAM" in env.records[0].detail


async def test_a_stream_that_the_backend_resets_is_a_502_with_its_code():
    async def script(stream):
        stream.reset(h2.errors.ErrorCodes.INTERNAL_ERROR)

    async with environment(retries=0) as env:
        await env.origin(H2Backend(script))
        assert (await env.get())[0] == 502
        assert env.records[0].detail.endswith("reset the stream: INTERNAL_ERROR")


async def test_a_complete_answer_before_a_reset_without_error_is_a_success():
    async def script(stream):
        stream.head([OK, ("content-length", "5")])
        stream.data(b"early", end=True)
        stream.reset(h2.errors.ErrorCodes.NO_ERROR)

    async with environment(linger_silence=0.1) as env:
        await env.origin(H2Backend(script))
        client = await env.client()
        client.send(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 100000\r\n\r\n" + b"x" * 50_000)
        assert (await client.answer())[2] == b"early"


async def test_a_cut_body_is_not_taken_for_a_whole_one():
    async def script(stream):
        await stream.whole()
        stream.head([OK])
        stream.data(b"half")
        await until(lambda: received)
        stream.reset(h2.errors.ErrorCodes.INTERNAL_ERROR)

    received = []
    async with environment() as env:
        await env.origin(H2Backend(script))
        client = await env.client()
        client.send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        await client.reader.readuntil(b"half\r\n")
        received.append(True)
        with pytest.raises(ConnectionError):
            await client.rest()
        assert (env.records[0].termination, env.records[0].detail[-14:]) == ("SD", "INTERNAL_ERROR")


async def test_a_length_that_is_not_that_of_the_body_is_a_502():
    async def script(stream):
        await stream.whole()
        stream.peer.h2.config.validate_outbound_headers = False
        stream.head([OK, ("content-length", "9")])
        stream.data(b"hello", end=True)

    async with environment(retries=0) as env:
        await env.origin(H2Backend(script))
        assert (await env.get())[0] == 502
        assert "5 bytes, but Content-Length 9" in env.records[0].detail


async def test_a_client_that_leaves_cancels_the_stream():
    async def script(stream):
        await stream.whole()

    async with environment() as env:
        backend = H2Backend(script)
        await env.origin(backend)
        client = await env.client()
        client.send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        await until(lambda: backend.streams)
        client.close()
        await until(lambda: backend.streams[0].reset_code == h2.errors.ErrorCodes.CANCEL)
        assert env.origins[0].open == 1


async def test_a_slow_reader_holds_one_window_and_delays_nobody():
    async def script(stream):
        if stream.heads[0][":path"] == "/large":
            stream.head([OK])
            while not stream.lost and stream.reset_code is None:
                window = stream.peer.h2.local_flow_control_window(stream.number)
                if window > 0:
                    size = min(window, 16_384)
                    stream.data(b"x" * size)
                    sent.append(size)
                else:
                    full.set()
                    await stream.peer.moved.wait()
        else:
            await answering()(stream)

    sent, full = [], asyncio.Event()
    async with environment() as env:
        backend = H2Backend(script)
        await env.origin(backend)
        client = await env.client()
        client.send(b"GET /large HTTP/1.1\r\n" + HOST + b"\r\n")
        await client.head()
        await full.wait()
        before = len(sent)
        for _ in range(5):
            assert (await env.get())[2] == b"hello"
        assert (
            len(sent) == before or sum(sent) < 16 * 2**20
        )  # The kernel and the client's reader took the rest.
        assert len(backend.peers) == 1
        client.close()
        await until(lambda: backend.streams[0].reset_code is not None)


async def test_a_malformed_response_is_a_502_and_ends_its_stream_only():
    async def script(stream):
        await stream.whole()
        if stream.number == 1:
            stream.malformed([OK, ("connection", "close")])
        else:
            await answering()(stream)

    async with environment(retries=0) as env:
        origin = await env.origin(H2Backend(script))
        assert (await env.get())[0] == 502
        assert "'connection'" in env.records[0].detail
        assert (await env.get())[0] == 200
        assert origin.connections == 1


async def test_ntlm_is_refused_because_it_authenticates_connections():
    async with environment() as env:
        backend = H2Backend(answering())
        await env.origin(backend)
        assert (await env.get("/", b"Authorization: NTLM abc\r\n"))[0] == 501
        assert not backend.streams


async def test_a_head_above_the_limit_of_the_backend_is_a_431():
    async with environment() as env:
        backend = H2Backend(answering(), settings={6: 2000})
        await env.origin(backend)
        assert (await env.get())[0] == 200
        assert (await env.get("/", b"X-Large: %b\r\n" % (b"x" * 2000)))[0] == 431
        assert "accepts 2000 bytes" in env.records[1].detail


UPGRADE = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"


async def test_a_websocket_is_tunnelled_by_extended_connect():
    async with environment() as env:
        backend = H2Backend(echo, settings={8: 1})
        await env.origin(backend)
        await env.get()
        client = await env.client()
        client.send(b"GET /chat HTTP/1.1\r\n" + HOST + UPGRADE + KEY + b"\r\n")
        head = await client.head()
        assert head.startswith(b"HTTP/1.1 101 ")
        assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
        for _ in range(3):
            client.send(b"ping")
            assert await client.reader.readexactly(4) == b"ping"
        fields = backend.streams[1].heads[0]
        assert (fields[":method"], fields[":protocol"], fields[":path"]) == ("CONNECT", "websocket", "/chat")
        client.writer.write_eof()
        assert await client.rest() == b""
        await until(lambda: len(env.records) == 2)


async def test_a_websocket_needs_a_backend_that_accepts_it():
    async with environment() as env:
        await env.origin(H2Backend(echo))
        assert (await env.get("/", UPGRADE + KEY))[0] == 501
