"""Records of requests that end by defects of pylb, shutdowns, and pylb's own responses."""

import asyncio
import logging

import pytest

from pylb.proxy.h1 import downstream
from pylb.proxy.transfer import BodyPump
from tests.environment import HOST, Environment, answers, read_request
from tests.until import until

GET = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
UPGRADE = b"GET / HTTP/1.1\r\n" + HOST + b"Connection: upgrade\r\nUpgrade: echo\r\n\r\n"
BEGUN = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"


async def begins_an_answer(reader, writer):
    await read_request(reader)
    writer.write(BEGUN)
    await reader.read(-1)


async def says_nothing(reader, writer):
    await reader.read(-1)


async def upgrades(reader, writer):
    await read_request(reader)
    writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
    await reader.read(-1)


def breaks(*_, **__):
    raise ValueError("a defect, made on purpose")


class BreaksOnStart(BodyPump):
    __slots__ = ()
    start = breaks


def in_queue(environment, monkeypatch):
    monkeypatch.setattr(environment.pool, "lease", breaks)


def in_headers(environment, monkeypatch):
    monkeypatch.setattr(environment.server.context.responses, "_heads", None)


def in_data(_, monkeypatch):
    monkeypatch.setattr(downstream, "BodyPump", BreaksOnStart)


@pytest.mark.logs_error("a defect ended a request")
@pytest.mark.parametrize(
    ("defect", "termination", "answer"),
    [(in_queue, "IQ", b"HTTP/1.1 500"), (in_headers, "IH", b"HTTP/1.1 500"), (in_data, "ID", b"")],
)
async def test_a_defect_is_answered_500_and_logged_once(caplog, monkeypatch, defect, termination, answer):
    async with Environment() as environment:
        origin = await environment.origin(begins_an_answer)
        with monkeypatch.context() as patch:
            defect(environment, patch)
            client = (await environment.client()).send(GET)
            try:
                received = await client.rest()
            except ConnectionResetError:
                received = b""
            assert received[: len(b"HTTP/1.1 500")] == answer
        assert b"on purpose" not in received
        (record,) = environment.records
        assert (record.termination, record.status) == (termination, 500 if answer else 200)
        await until(lambda: not origin.open)
        assert [b.inflight for b in environment.pool.backends.values()] == [0]
        assert (await (await environment.client()).send(GET).head()).startswith(b"HTTP/1.1 200")
    defects = [entry for entry in caplog.records if entry.levelno >= logging.ERROR]
    assert [entry.getMessage() for entry in defects if entry.name == "pylb.proxy"] == [
        "a defect ended a request"
    ]
    assert "Traceback" in caplog.text


@pytest.mark.parametrize(
    ("handler", "request_bytes", "ending"),
    [
        (says_nothing, GET, ("KH", 503)),
        (begins_an_answer, GET, ("KD", 200)),
        (upgrades, UPGRADE, ("KT", 101)),
    ],
)
async def test_a_request_aborted_by_a_shutdown_is_recorded_as_such(handler, request_bytes, ending):
    async with Environment() as environment:
        origin = await environment.origin(handler)
        client = (await environment.client()).send(request_bytes)
        if handler is not says_nothing:
            await client.head()
        await until(lambda: origin.open)
        assert await environment.server.drain(0.05) == 1
        assert [(record.termination, record.status) for record in environment.records] == [ending]
        assert [b.health.total for b in environment.pool.backends.values()] == [0]
        await until(lambda: not origin.open)


async def test_a_waiting_request_aborted_by_a_shutdown_is_recorded():
    async with Environment(max_conn=1, queue_timeout=60) as environment:
        origin = await environment.origin(says_nothing)
        for _ in range(20):
            (await environment.client()).send(GET)
        await until(lambda: len(environment.pool.queue) == 19)
        await environment.server.drain(0.05)
        assert sorted(record.termination for record in environment.records) == ["KH"] + ["KQ"] * 19
        assert origin.connections == 1


async def test_a_shutdown_leaves_no_record_for_a_connection_without_a_request():
    async with Environment() as environment:
        await environment.origin(answers())
        await environment.get()
        client = await environment.client()
        await until(lambda: any(each.idle for each in environment.server.context.connections))
        environment.server.close()
        with pytest.raises(asyncio.IncompleteReadError):
            await client.head()
        assert len(environment.records) == 1


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (GET, 503),
        (GET.replace(b"GET", b"HEAD"), 503),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: a\n\n", 400),
        (GET.replace(b"\r\n\r\n", b"\r\nAccept: application/json\r\n\r\n"), 503),
    ],
)
async def test_bytes_of_pylbs_own_responses_are_counted(request_bytes, status):
    async with Environment() as environment:
        client = (await environment.client()).send(request_bytes)
        _, _, body = (await client.rest()).partition(b"\r\n\r\n")
        assert [(record.status, record.sent) for record in environment.records] == [(status, len(body))]


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nHost: a c\r\n\r\n",
        b"GET http://a%zz/ HTTP/1.1\r\n\r\n",
        b"OPTIONS a HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent_Length: 1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nno size\r\n",
    ],
)
async def test_no_response_has_python_byte_literals(head):
    async with Environment() as environment:
        await environment.origin(says_nothing)
        client = (await environment.client()).send(head)
        answer = await client.rest()
        assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 501"))
        assert b"b'" not in answer
        assert b'b"' not in answer
        assert b"b'" not in environment.records[0].detail.encode()
