"""One request on a stream: its head at the backend, its response, and every way in which either may end."""

import asyncio

import pytest

from pylb.http2 import frames
from pylb.http2.errors import ErrorCode
from pylb.http2.guard import RESETS, WORK_AT_ONCE
from pylb.policy.networks import Networks
from tests.environment import Environment, answers, read_chunks, read_request
from tests.proxy.h2.client import connect
from tests.until import until


def keeps(heads, response):
    """An origin that keeps the heads of requests and sends a fixed response."""

    async def handle(reader, writer):
        while head := await read_request(reader):
            heads.append(head)
            writer.write(response)

    return handle


async def silent(reader, writer):
    """An origin that never answers."""
    await reader.read(-1)


async def test_a_request_is_forwarded_with_http1_and_answered():
    heads = []
    async with Environment() as environment:
        await environment.origin(keeps(heads, b"HTTP/1.1 200 OK\r\nX-A: 1\r\nContent-Length: 5\r\n\r\nhello"))
        client = await connect(environment)
        reply = await client.get("/a?b", ("x-thing", "1"), ("cookie", "a=1"), ("cookie", "b=2"))
        assert (reply.status, reply.body, reply.ended, reply.reset) == (200, b"hello", True, None)
        assert reply.fields["x-a"] == "1"
        assert reply.fields["content-length"] == "5"
        assert "date" in reply.fields
        (head,) = heads
        assert head.startswith(b"GET /a?b HTTP/1.1\r\nHost: shop.example\r\n")
        assert b"\r\nx-thing: 1\r\n" in head
        assert b"\r\ncookie: a=1; b=2\r\n" in head
        assert b"\r\nX-Forwarded-For: 127.0.0.1\r\n" in head
        (record,) = environment.records
        assert (record.protocol, record.status, record.sent) == ("HTTP/2.0", 200, 5)


async def test_a_hundred_requests_at_once_on_one_connection():
    arrived, go = [], asyncio.Event()

    async def handle(reader, writer):
        head = await read_request(reader)
        arrived.append(head)
        await go.wait()
        path = head.split(b" ")[1]
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(path), path))

    async with Environment() as environment:
        await environment.origin(handle)
        client = await connect(environment)
        numbers = [client.begin(f"/{n}") for n in range(100)]
        client.flush()
        await until(lambda: len(arrived) == 100)
        go.set()
        assert [(await client.ended(number)).body for number in numbers] == [b"/%d" % n for n in range(100)]
        assert len(environment.server.context.connections) == 1


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
async def test_a_status_without_content_ends_the_stream_with_its_head(status):
    async with Environment() as environment:
        await environment.origin(keeps([], b"HTTP/1.1 %b\r\nETag: 1\r\n\r\n" % status))
        client = await connect(environment)
        for _ in range(2):
            reply = await client.get()
            assert (reply.status, reply.body, reply.ended) == (int(status[:3]), b"", True)


async def test_the_answer_to_head_keeps_its_length_and_has_no_body():
    async with Environment() as environment:
        await environment.origin(keeps([], b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"))
        client = await connect(environment)
        reply = await client.get(method="HEAD")
        assert (reply.status, reply.fields["content-length"], reply.body) == (200, "99", b"")
        assert reply.ended


async def test_interim_responses_are_passed_on():
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
    async with Environment() as environment:
        await environment.origin(keeps([], early * 2 + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
        client = await connect(environment)
        reply = await client.get()
        assert reply.interim == [(103, {"link": "</a.css>"})] * 2
        assert (reply.status, reply.body) == (200, b"ok")


async def test_a_client_that_expects_a_100_gets_the_backends():
    async def handle(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"expect: 100-continue" in head.lower()
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await reader.readexactly(4)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" + body)

    async with Environment() as environment:
        await environment.origin(handle)
        client = await connect(environment)
        number = client.begin("/", ("expect", "100-continue"), ("content-length", "4"), method="POST")
        client.flush()
        await until(lambda: client.replies[number].interim)
        client.send(number, b"body", end=True)
        reply = await client.ended(number)
        assert (reply.interim, reply.body) == ([(100, {})], b"body")


async def test_trailers_are_passed_on_in_both_directions():
    received = []

    async def handle(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        received.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 6\r\n\r\n"
        )

    async with Environment() as environment:
        await environment.origin(handle)
        client = await connect(environment)
        number = client.begin(method="POST")
        client.send(number, b"one")
        client.h2.send_headers(number, [("x-check", "3")], end_stream=True)
        reply = await client.ended(number)
        assert received == [b"3\r\none\r\n0\r\nx-check: 3\r\n\r\n"]
        assert (reply.body, reply.trailers, reply.ended) == (b"abc", {"x-sum": "6"}, True)


async def test_trailers_that_arrive_with_the_head_are_passed_on():
    received = []

    async def handle(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        received.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with Environment() as environment:
        await environment.origin(handle)
        client = await connect(environment)
        for _ in range(2):
            number = client.begin(method="POST")
            client.h2.send_headers(number, [("x-check", "0")], end_stream=True)
            assert (await client.ended(number)).status == 204
        assert received == [b"0\r\nx-check: 0\r\n\r\n"] * 2


@pytest.mark.parametrize("size", [0, 1, 4096, 4097])
async def test_a_body_of_unknown_length_that_arrives_with_its_head_is_chunked(size):
    bodies = []

    async def handle(reader, writer):
        assert b"Transfer-Encoding: chunked" in await reader.readuntil(b"\r\n\r\n")
        bodies.append(await read_chunks(reader))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with Environment() as environment:
        await environment.origin(handle)
        client = await connect(environment)
        number = client.begin(method="POST")
        client.send(number, b"x" * size, end=True)
        assert (await client.ended(number)).status == 204
        assert bodies == [b"x" * size]
        assert environment.records[0].received == size


@pytest.mark.parametrize("body", [b"four", b"longer than announced"])
async def test_a_body_of_another_length_than_announced_is_refused(body):
    async with Environment() as environment:
        await environment.origin(answers())
        client = await connect(environment)
        number = client.begin("/", ("content-length", "5"), method="POST")
        client.send(number, body, end=True)
        reply = await client.ended(number)
        assert reply.status == 400
        number = client.begin("/", ("content-length", "5"), method="POST")
        client.flush()
        await until(lambda: environment.origins[0].connections)
        client.send(number, body, end=True)
        assert (await client.ended(number)).status == 400
        assert (await client.get()).status == 200


async def test_a_response_that_the_backend_cuts_ends_in_a_reset():
    async def handle(reader, writer):
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")

    async with Environment() as environment:
        await environment.origin(handle)
        client = await connect(environment)
        reply = await client.get()
        assert (reply.status, reply.ended, reply.reset) == (200, False, ErrorCode.INTERNAL_ERROR)
        assert environment.records[0].termination == "SD"


async def test_a_chunked_response_without_its_last_chunk_ends_in_a_reset():
    async def handle(reader, writer):
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")

    async with Environment() as environment:
        await environment.origin(handle)
        client = await connect(environment)
        reply = await client.get()
        assert (reply.ended, reply.reset) == (False, ErrorCode.INTERNAL_ERROR)


async def test_an_early_answer_ends_the_stream_and_then_resets_it_without_an_error():
    async def handle(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")

    async with Environment(linger_silence=0.05) as environment:
        await environment.origin(handle)
        client = await connect(environment)
        number = client.begin(method="POST")
        client.send(number, b"some")
        await until(lambda: client.replies[number].reset is not None)
        reply = client.replies[number]
        assert (reply.status, reply.body, reply.ended, reply.reset) == (413, b"big", True, 0)
        assert (await client.get()).status == 413


async def test_a_reset_by_the_client_closes_the_backend_connection_at_once():
    async with Environment() as environment:
        origin = await environment.origin(silent)
        client = await connect(environment)
        number = client.begin()
        client.flush()
        await until(lambda: origin.open)
        client.reset(number)
        await until(lambda: not origin.open)
        (record,) = environment.records
        assert (record.status, record.termination) == (499, "CH")


async def test_a_reset_in_the_body_closes_the_backend_connection_at_once():
    async def handle(reader, writer):
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")
        await reader.read(-1)

    async with Environment() as environment:
        origin = await environment.origin(handle)
        client = await connect(environment)
        number = client.begin()
        client.flush()
        await until(lambda: client.replies[number].body)
        client.reset(number)
        await until(lambda: not origin.open)
        (record,) = environment.records
        assert (record.status, record.termination) == (200, "CD")


async def test_a_request_that_is_reset_in_the_same_read_starts_no_work_and_is_not_recorded():
    async with Environment() as environment:
        origin = await environment.origin(answers())
        client = await connect(environment)
        for _ in range(10):
            client.h2.reset_stream(client.begin(), 8)
        client.flush()
        await client.ping()
        assert (await client.get()).status == 200
        assert origin.connections == 1
        assert [record.status for record in environment.records] == [200]


BAD_BLOCK = b"\x82\x86\x41\x01a"
"""The header block of a GET without a path."""

REFUSED = {
    "a path without its slash": ("relative", [], 400),
    "a line end in a value": ("/", [("x-a", "1\r\nX-B: 2")], 400),
    "upper case in a name": ("/", [("X-A", "1")], 400),
    "a field of the connection": ("/", [("transfer-encoding", "chunked")], 400),
    "too many fields": ("/", [(f"x-{n}", "1") for n in range(101)], 431),
    "fields that are too large": ("/", [("x-a", "a" * 33_000)], 431),
    "a target that is too long": ("/" + "a" * 9_000, [], 414),
    "CONNECT": ("/", [], 405),
}


@pytest.mark.parametrize("what", REFUSED)
async def test_a_bad_head_is_answered_and_the_connection_continues(what):
    path, fields, status = REFUSED[what]
    async with Environment() as environment:
        origin = await environment.origin(answers())
        client = await connect(environment)
        method = "CONNECT" if what == "CONNECT" else "GET"
        assert (await client.get(path, *fields, method=method)).status == status
        assert origin.connections == 0
        assert (await client.get()).status == 200
        assert [record.status for record in environment.records] == [status, 200]


async def test_a_flood_of_bad_heads_has_a_bounded_number_of_records_and_ends_the_connection():
    """Later requests are refused without a record, and then the connection ends with one."""
    async with Environment() as environment:
        client = await connect(environment)
        client.h2.receive_data = lambda _: []  # It knows none of these streams.
        client.raw(b"".join(frames.headers(n, BAD_BLOCK, end_stream=True) for n in range(1, 4000, 2)))
        await until(lambda: client.goaways)
        assert client.goaways[0][1] == ErrorCode.ENHANCE_YOUR_CALM
        *heads, end = environment.records
        assert RESETS <= len(heads) <= RESETS + WORK_AT_ONCE / 5
        assert {"path" in record.detail for record in heads} == {True}
        assert end.detail == "HTTP/2: too many streams were reset at once"


async def test_a_request_without_a_route_gets_404():
    async with Environment(routes=["web=/shop"]) as environment:
        await environment.origin(answers())
        client = await connect(environment)
        assert (await client.get("/other")).status == 404


async def test_a_request_without_a_backend_gets_503_and_is_asked_to_come_again():
    async with Environment() as environment:
        client = await connect(environment)
        reply = await client.get()
        assert (reply.status, reply.fields["retry-after"]) == (503, "1")


async def test_a_body_that_is_too_large_gets_413():
    async with Environment(max_body=4) as environment:
        await environment.origin(answers())
        client = await connect(environment)
        for fields in ([("content-length", "5")], []):
            number = client.begin("/", *fields, method="POST")
            client.send(number, b"12345", end=True)
            assert (await client.ended(number)).status == 413


async def test_ntlm_is_sent_back_to_http1():
    """NTLM authenticates a connection, and requests of several streams share one (RFC 9113 section 7)."""
    async with Environment() as environment:
        origin = await environment.origin(answers())
        client = await connect(environment)
        reply = await client.get("/", ("authorization", "NTLM abc"))
        assert (reply.status, reply.reset) == (0, ErrorCode.HTTP_1_1_REQUIRED)
        assert origin.connections == 0


async def test_actions_of_routes_answer_without_a_backend():
    routes = ["web", "web=/old path=prefix redirect=301,/new", "web=/gone 'respond=410,it is gone'"]
    async with Environment(routes=routes) as environment:
        client = await connect(environment)
        moved = await client.get("/old")
        assert (moved.status, moved.fields["location"]) == (301, "/new")
        gone = await client.get("/gone")
        assert (gone.status, gone.body) == (410, b"it is gone")
        assert (await client.get("/gone", method="HEAD")).body == b""


async def test_a_request_to_an_action_with_a_body_is_answered_and_the_body_discarded():
    async with Environment(routes=["web respond=403,no"]) as environment:
        client = await connect(environment)
        number = client.begin(method="POST")
        client.send(number, b"body")
        await until(lambda: client.replies[number].reset is not None)
        reply = client.replies[number]
        assert (reply.status, reply.ended, reply.reset) == (403, True, ErrorCode.NO_ERROR)
        assert (await client.get()).status == 403


async def test_the_debug_header_explains_the_choice():
    async with Environment(context={"explain_to": Networks(("127.0.0.1",))}) as environment:
        await environment.origin(answers())
        client = await connect(environment)
        reply = await client.get("/", ("x-pylb-explain", "1"))
        assert reply.status == 200
        assert any(name.startswith("x-pylb-") for name in reply.fields)
