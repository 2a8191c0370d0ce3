"""Requests and responses between clients and backends of both versions of HTTP."""

import asyncio

import h2.errors
import pytest

from tests.environment import Environment, answers
from tests.h2_peers import GET, OK, POST, H2Backend, H2Client, Stream, answering, echo
from tests.until import until


def environment(**options):
    return Environment(context={"protocol": "h2"}, **options)


async def test_a_hundred_streams_between_two_connections():
    async with environment() as env, H2Client(env.port) as client:
        backend = H2Backend(answering(b"hello"))
        origin = await env.origin(backend)
        await client.open(GET).whole()  # The connection exists.
        streams = [client.open(GET) for _ in range(99)]
        await asyncio.gather(*[stream.whole() for stream in streams])
        assert {(stream.status, bytes(stream.body)) for stream in streams} == {("200", b"hello")}
        assert origin.connections == 1
        assert backend.streams[0].heads[0]["x-a"] == "b"


@pytest.mark.parametrize("size", [0, 3, 100_000, pytest.param(16 * 2**20, marks=pytest.mark.slow)])
async def test_a_body_goes_both_ways(size):
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    async with environment() as env, H2Client(env.port) as client:
        await env.origin(H2Backend(echo))
        stream = client.open(POST, end=False)
        await stream.send(body, end=True)
        await stream.whole()
        assert stream.body == body


async def test_trailers_go_both_ways():
    async with environment() as env, H2Client(env.port) as client:
        backend = H2Backend(echo)
        await env.origin(backend)
        stream = client.open([*POST, ("te", "trailers")], end=False)
        stream.data(b"hello")
        stream.head([("x-sum", "1")], end=True)
        await stream.whole()
        assert (stream.body, stream.trailers) == (b"hello", {"x-sum": "1"})
        assert backend.streams[0].trailers == {"x-sum": "1"}
        assert backend.streams[0].heads[0]["te"] == "trailers"


async def test_both_directions_move_at_once():
    async with environment() as env, H2Client(env.port) as client:
        await env.origin(H2Backend(echo))
        stream = client.open(POST, end=False)
        for number in range(5):
            stream.data(b"%d" % number)
            await stream.until(lambda number=number: len(stream.body) > number)
        stream.data(end=True)
        await stream.whole()
        assert stream.body == b"01234"


async def test_trailers_only_stay_one_block():
    async def script(stream):
        await stream.whole()
        stream.head([OK, ("content-type", "application/grpc"), ("grpc-status", "5")], end=True)

    async with environment() as env, H2Client(env.port) as client:
        await env.origin(H2Backend(script))
        stream = await client.open(POST).whole()
        assert stream.heads[-1]["grpc-status"] == "5"
        assert stream.trailers is None


async def test_an_early_answer_reaches_the_client_before_the_end_of_its_request():
    async def script(stream):
        stream.head([(":status", "413"), ("content-length", "3")])
        stream.data(b"big", end=True)
        stream.reset(h2.errors.ErrorCodes.NO_ERROR)

    async with environment() as env, H2Client(env.port) as client:
        await env.origin(H2Backend(script))
        stream = client.open(POST, end=False)
        stream.data(b"x" * 1000)
        await stream.until(lambda: stream.ended)
        assert (stream.status, stream.body) == ("413", b"big")


async def test_a_cancelled_request_is_cancelled_at_the_backend():
    async def script(stream):
        await stream.whole()
        await stream.until(lambda: stream.reset_code is not None)

    async with environment() as env, H2Client(env.port) as client:
        backend = H2Backend(script)
        await env.origin(backend)
        stream = client.open(GET)
        await until(lambda: backend.streams)
        stream.reset(h2.errors.ErrorCodes.CANCEL)
        await until(lambda: backend.streams[0].reset_code == h2.errors.ErrorCodes.CANCEL)
        other = client.open(GET)
        await until(lambda: len(backend.streams) == 2)
        assert not other.lost


async def test_a_slow_reader_pauses_its_own_stream_only():
    async def script(stream):
        stream.head([OK])
        if stream.number == 1:
            await stream.send(b"x" * 2**22, end=True)
        else:
            stream.data(b"quick", end=True)

    async with environment() as env, H2Client(env.port) as client:
        backend = H2Backend(script)
        await env.origin(backend)
        client.h2.increment_flow_control_window(2**24)
        slow = client.open(GET)
        slow.eager = False
        await slow.until(lambda: len(slow.body) >= 60_000)
        for _ in range(10):
            assert (await client.open(GET).whole()).body == b"quick"
        (pool,) = [each.multiplexed for each in env.pool.backends.values()]
        (stream,) = pool._connections[0].session.streams.values()
        (front,) = next(iter(env.server.context.sessions)).session.streams.values()
        assert front.size <= 2**18
        assert len(stream.recv_buffer) <= 2**16
        slow.eager = True
        slow.acknowledge()
        client.flush()
        await slow.whole()
        assert len(slow.body) == 2**22


async def test_a_backend_that_stops_reading_pauses_its_client():
    async def script(stream):
        stream.eager = False
        await stream.until(lambda: stream.reset_code is not None)

    async with environment() as env, H2Client(env.port) as client:
        backend = H2Backend(script)
        await env.origin(backend)
        stream = client.open(POST, end=False)
        sending = asyncio.ensure_future(stream.send(b"x" * 2**22))  # noqa: TID251
        await until(lambda: backend.streams and len(backend.streams[0].body) >= 60_000)
        quick = client.open(POST, end=False)
        quick.data(b"", end=True)
        await until(lambda: len(backend.streams) == 2)
        (pool,) = [each.multiplexed for each in env.pool.backends.values()]
        held = sum(each.size for each in pool._connections[0].session.streams.values())
        assert held <= 2**18
        assert not sending.done()
        stream.reset(h2.errors.ErrorCodes.CANCEL)
        await sending


async def test_http2_in_front_of_http1():
    async with Environment() as env, H2Client(env.port) as client:
        await env.origin(answers(b"hello"))
        streams = [client.open(GET) for _ in range(20)]
        await asyncio.gather(*[stream.whole() for stream in streams])
        assert {bytes(stream.body) for stream in streams} == {b"hello"}


async def test_a_websocket_over_http2_on_both_sides():
    connect = [
        *((":method", "CONNECT"), (":protocol", "websocket"), *GET[1:]),
        ("sec-websocket-version", "13"),
    ]
    async with environment() as env, H2Client(env.port) as client:
        backend = H2Backend(echo, settings={8: 1})
        await env.origin(backend)
        await client.open(GET).whole()
        stream = client.open(connect, end=False)
        await stream.until(lambda: stream.heads)
        assert stream.status == "200"
        assert "sec-websocket-accept" not in stream.heads[0]
        stream.data(b"ping")
        await stream.until(lambda: stream.body == b"ping")
        stream.data(end=True)
        await stream.whole()
        assert backend.streams[1].heads[0][":protocol"] == "websocket"


async def test_a_hundred_requests_and_responses_in_one_read_each():
    """More than a batch resumes at once, so coroutines run while the frames of the read are being parsed."""

    async def script(stream):
        connection = stream.peer.h2
        await stream.whole()
        waiting.append(stream)
        if len(waiting) == 99:
            for each in waiting:
                connection.send_headers(each.number, [OK, ("content-length", str(len(each.body)))])
                connection.send_data(each.number, bytes(each.body), end_stream=True)
            stream.peer.flush()

    waiting = []
    async with environment() as env, H2Client(env.port) as client:
        await env.origin(H2Backend(script))
        streams = []
        for number in range(99):
            identifier = client.h2.get_next_available_stream_id()
            client.h2.send_headers(identifier, [*POST, ("content-length", "3")])
            client.h2.send_data(identifier, b"%03d" % number, end_stream=True)
            streams.append(Stream(client, identifier))
            client.streams[identifier] = streams[-1]
        client.flush()
        await asyncio.gather(*[stream.whole() for stream in streams])
        assert [stream.status for stream in streams] == ["200"] * 99
        assert [bytes(stream.body) for stream in streams] == [b"%03d" % number for number in range(99)]
