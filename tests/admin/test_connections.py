"""Limits on the connections of the admin port, tested with raw sockets."""

import asyncio
import logging
import socket
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from pylb.admin import api, connections
from pylb.admin.access import HEADERS, Access
from pylb.admin.app import AdminApp
from pylb.admin.connections import ConnectionLimits, Connections
from tests.until import until

GET = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
LONG = 60.0


@pytest.fixture(autouse=True)
def _often(monkeypatch):
    monkeypatch.setattr(connections, "PERIOD", 0.005)
    monkeypatch.setattr(api, "TICK", 0.005)


@pytest.fixture
async def serve(view, operator, aiohttp_client):
    """Start an admin port with these limits; return a function that connects to it."""
    opened = []

    @asynccontextmanager
    async def start(**limits):
        limits = ConnectionLimits(**({"head": LONG, "request": LONG, "keepalive": LONG} | limits))
        app = AdminApp(view, operator, Access(), limits)
        listening = socket.create_server(("127.0.0.1", 0))
        await app.listen(listening)

        async def connect(data=b""):
            reader, writer = await asyncio.open_connection(*listening.getsockname())
            opened.append(writer)
            writer.write(data)
            return reader, writer

        yield connect
        await app.close()

    yield start
    for writer in opened:
        writer.close()


async def head(reader):
    return (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)).decode()


async def ended(reader):
    """Return the data that arrives before pylb closes the connection."""
    try:
        return await asyncio.wait_for(reader.read(), 5)
    except ConnectionResetError:
        return b""


@pytest.mark.parametrize("data", [b"", b"GET /hea", GET[:-2]])
async def test_an_incomplete_head_times_out(serve, data):
    async with serve(head=0.02) as connect:
        reader, _ = await connect(data)
        assert await ended(reader) == b""


async def test_an_incomplete_head_of_a_second_request_times_out(serve):
    async with serve(head=0.02) as connect:
        reader, writer = await connect(GET)
        assert (await head(reader)).startswith("HTTP/1.1 200")
        writer.write(GET[:-2])
        await ended(reader)


async def test_an_idle_connection_is_closed(serve):
    async with serve(keepalive=0.02) as connect:
        reader, _ = await connect(GET)
        assert (await head(reader)).startswith("HTTP/1.1 200")
        await ended(reader)


async def test_a_missing_body_times_out(serve):
    async with serve(request=0.02) as connect:
        reader, _ = await connect(
            b"POST /api/overrides HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Content-Length: 10\r\n\r\n{"
        )
        assert await ended(reader) == b""


async def test_a_client_that_does_not_read_is_disconnected():
    """It is disconnected during the response and after the end of the response."""
    cut = []

    async def handle(request):
        connection = request.protocol
        connection.restart_timeout()
        lost = connection.connection_lost
        type(connection).connection_lost = lambda self, error: (cut.append(error), lost(error))
        return web.Response(body=bytes(1 << 25), headers={"Connection": "close"})

    listening = socket.create_server(("127.0.0.1", 0))
    made = Connections(web.Server(handle), ConnectionLimits(request=0.02, keepalive=0.02))
    original = connections.Connection.connection_lost
    server = await asyncio.get_running_loop().create_server(made, sock=listening)
    client = socket.create_connection(listening.getsockname())
    try:
        client.sendall(GET)
        await until(lambda: cut)
    finally:
        connections.Connection.connection_lost = original
        client.close()
        server.close()


async def test_an_event_stream_stays_open_while_its_client_reads(serve):
    async with serve(request=0.5, head=0.5, keepalive=0.5) as connect:
        reader, _ = await connect(GET.replace(b"/health", b"/api/events"))
        await head(reader)
        for _ in range(120):
            await asyncio.wait_for(reader.readuntil(b"event: state"), 5)


async def test_a_connection_above_the_limit_replaces_the_longest_idle_one(serve):
    async with serve(connections=2) as connect:
        first, _ = await connect(GET[:-2])
        second, writer = await connect(GET)
        await head(second)
        third, _ = await connect(GET)
        assert await ended(first) == b""
        assert (await head(third)).startswith("HTTP/1.1 200")
        writer.write(GET)
        await second.readuntil(b"}")
        assert (await head(second)).strip().startswith("HTTP/1.1 200")


async def test_a_connection_above_the_limit_is_rejected_if_all_are_busy(serve):
    async with serve(connections=1) as connect:
        events, _ = await connect(GET.replace(b"/health", b"/api/events"))
        await head(events)
        reader, _ = await connect()
        answer = (await ended(reader)).decode()
        assert answer.startswith("HTTP/1.1 503 ")
        assert all(f"\r\n{name}: {value}\r\n" in answer for name, value in HEADERS.items())


async def test_event_streams_use_at_most_half_of_the_connections(serve):
    async with serve(connections=4) as connect:
        streams = [await connect(GET.replace(b"/health", b"/api/events")) for _ in range(3)]
        heads = [await head(reader) for reader, _ in streams]
        assert sorted(each[:12] for each in heads) == ["HTTP/1.1 200", "HTTP/1.1 200", "HTTP/1.1 503"]
        reader, _ = await connect(GET)
        assert (await head(reader)).startswith("HTTP/1.1 200")
        streams[[each[:12] for each in heads].index("HTTP/1.1 200")][1].close()

        async def again():
            reader, _ = await connect(GET.replace(b"/health", b"/api/events"))
            return (await head(reader)).startswith("HTTP/1.1 200")

        async with asyncio.timeout(5):
            while not await again():
                pass


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        ("GET /nowhere HTTP/1.1", 404),
        ("PUT /api/state HTTP/1.1", 405),
        ("DELETE /api/overrides/x HTTP/1.1", 400),
        ("POST /api/overrides HTTP/1.1", 415),
        ("GET /api/\udce9 HTTP/1.1", 400),
        ("rubbish \0", 400),
        ("GET /api/state HTTP/1.1\r\nHost: evil.example", 400),
        ("GET /api/history?since=x HTTP/1.1", 400),
    ],
)
async def test_invalid_requests_are_answered_with_all_headers_and_not_logged_as_errors(
    serve, caplog, request_line, status
):
    async with serve() as connect:
        data = request_line.encode("utf-8", "surrogateescape") + b"\r\nHost: 127.0.0.1\r\n\r\n"
        reader, _ = await connect(data)
        answer = await head(reader)
    assert int(answer.split(" ")[1]) == status
    assert {name: value for name, value in HEADERS.items() if f"\r\n{name}: {value}\r\n" in answer} == HEADERS
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.logs_error("Error handling request")
async def test_a_response_after_a_failed_handler_has_all_headers(view, operator, aiohttp_client):
    app = AdminApp(view, operator, Access())

    async def fail(_):
        raise KeyError("a defect")

    app.web.router.add_get("/defect", fail)
    client = await aiohttp_client(app.web)
    answer = await client.get("/defect")
    assert answer.status == 500
    assert HEADERS.items() <= dict(answer.headers).items()
