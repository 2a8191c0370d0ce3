"""Settings of services and of routes on the way of a request, with sockets."""

import asyncio
import socket
from dataclasses import replace
from time import monotonic

import pytest

from pylb.config import Options
from pylb.ipc.routing_update import RoutingUpdate
from pylb.model import PoolState
from pylb.observe.counters import Counters
from pylb.observe.shared_counters import SharedCounters
from pylb.proxy import sweep
from pylb.routes.declaration import ServiceDeclaration
from pylb.routes.grammar import parse_route
from pylb.sinks.sinks import Sinks
from pylb.worker.worker import Worker
from tests.environment import HOST, Client, Origin, answers, read_request
from tests.until import until

HELLO = answers(b"hello")


def declared(service, *routes, **settings):
    pairs = tuple((name.replace("_", "-"), value) for name, value in settings.items())
    return ServiceDeclaration(service, tuple(parse_route(service, text, "test") for text in routes), pairs)


async def silent(reader, _writer):
    await reader.read(-1)


class Balanced:
    """A worker with services whose backends are origins."""

    def __init__(self, **options):
        given = {"slow_start": 0, "retries": 0, "eject_failures": 0, "suspect_time": 0} | options
        self.worker = Worker(
            Options(service=("unused=/unused",), consul="127.0.0.1:1", **given),
            Counters(SharedCounters(), monotonic),
            Sinks(Options()),
        )
        self.origins = []
        self.clients = []
        self.generation = 0

    async def __aenter__(self):
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        self.port = listening.getsockname()[1]
        await self.worker.listen([listening])
        return self

    async def __aexit__(self, *_):
        for client in self.clients:
            client.close()
        self.worker.server.close()
        for origin in self.origins:
            origin.close()

    async def serve(self, service, *handlers):
        """Start an origin for each handler, as the backends of a service."""
        started = []
        for handler in handlers:
            origin = Origin(handler)
            await origin.start(f"{service}-{len(started) + 1}")
            started.append(origin)
        self.origins += started
        self.worker.apply(PoolState(service, tuple(replace(o.endpoint, service=service) for o in started)))
        return started

    def declare(self, *declarations):
        self.generation += 1
        self.worker.apply_routing(
            RoutingUpdate(self.generation, {each.service: each for each in declarations})
        )

    async def client(self):
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        self.clients.append(client)
        return client

    async def request(self, path, fields=b"", body=b"", method=b"GET"):
        """Send a request on a new connection, whose response may come later."""
        client = await self.client()
        return client.send(b"%b %b HTTP/1.1\r\n%b%b\r\n%b" % (method, path.encode(), HOST, fields, body))

    async def status(self, *request):
        return (await (await self.request(*request)).answer())[0]

    async def post(self, path, size):
        return await self.status(path, b"Content-Length: %d\r\n" % size, b"x" * size, b"POST")


@pytest.fixture(autouse=True)
def frequent_sweeps(monkeypatch):
    monkeypatch.setattr(sweep, "PERIOD", 0.05)


async def test_a_time_out_of_one_route():
    async with Balanced() as pylb:
        pylb.declare(declared("web", "/", "/slow response-timeout=50ms"))
        (origin,) = await pylb.serve("web", silent)
        await pylb.request("/x")
        await until(lambda: origin.open)
        assert [client.timeout for client in pylb.worker.server.context.connections] == [60]
        assert await pylb.status("/slow/x") == 504
        assert origin.open == 1


async def test_a_setting_of_a_service_is_the_default_of_its_routes():
    async with Balanced() as pylb:
        pylb.declare(declared("web", "/", "/big max-body=1000", max_body="10"), declared("other", "/other"))
        await pylb.serve("web", HELLO)
        await pylb.serve("other", HELLO)
        assert [await pylb.post("/x", size) for size in (10, 11)] == [200, 413]
        assert [await pylb.post("/big", size) for size in (1000, 1001)] == [200, 413]
        assert await pylb.post("/other", 2000) == 200


async def test_the_limit_of_a_body_without_a_length():
    async with Balanced() as pylb:
        pylb.declare(declared("web", "/", "/small max-body=3"))
        await pylb.serve("web", HELLO)
        chunked = b"Transfer-Encoding: chunked\r\n"
        body = b"4\r\nabcd\r\n0\r\n\r\n"
        assert await pylb.status("/x", chunked, body, b"POST") == 200
        assert await pylb.status("/small", chunked, body, b"POST") == 413


async def test_retries_of_one_service():
    async def breaks(reader, writer):
        await read_request(reader)

    async with Balanced() as pylb:
        pylb.declare(declared("one", "/one", retries="1", policy="round-robin"), declared("none", "/none"))
        for service in ("one", "none"):
            await pylb.serve(service, breaks, HELLO)
        assert {await pylb.status("/one") for _ in range(2)} == {200}
        assert {await pylb.status("/none") for _ in range(2)} == {502, 200}


async def test_reuse_of_connections_of_one_service():
    async with Balanced() as pylb:
        pylb.declare(declared("kept", "/kept"), declared("fresh", "/fresh", upstream_keepalive="0"))
        (kept,), (fresh,) = await pylb.serve("kept", HELLO), await pylb.serve("fresh", HELLO)
        for _ in range(3):
            assert [await pylb.status("/kept"), await pylb.status("/fresh")] == [200, 200]
        assert (kept.connections, fresh.connections) == (1, 3)


async def test_the_proxy_protocol_of_one_service():
    first_lines = {}

    def noting(name):
        async def handler(reader, writer):
            first_lines[name] = await reader.readline()
            await HELLO(reader, writer)

        return handler

    async with Balanced() as pylb:
        pylb.declare(declared("one", "/one", upstream_proxy_protocol="v1"), declared("two", "/two"))
        await pylb.serve("one", noting("one"))
        await pylb.serve("two", noting("two"))
        assert await pylb.status("/one") == 200
        await pylb.status("/two")
    assert first_lines["one"].startswith(b"PROXY TCP4 127.0.0.1 ")
    assert first_lines["two"].startswith(b"GET /two ")


async def test_a_limit_of_requests_that_begins_while_requests_run():
    gate = asyncio.Event()

    async def held(reader, writer):
        while await read_request(reader):
            await gate.wait()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with Balanced() as pylb:
        pylb.declare(declared("web", "/"))
        (origin,) = await pylb.serve("web", held)
        pool = pylb.worker.pools["web"]
        running = [await pylb.request("/") for _ in range(2)]
        await until(lambda: origin.open == 2)
        pylb.declare(declared("web", "/", max_conn="1", max_queue="1"))
        assert pylb.worker.pools["web"] is pool
        queued = await pylb.request("/")
        await until(lambda: pool.queue)
        assert await pylb.status("/") == 503
        gate.set()
        assert [(await client.answer())[0] for client in (*running, queued)] == [200, 200, 200]


async def test_a_change_of_settings_affects_no_request_in_flight():
    gate = asyncio.Event()

    async def held(reader, writer):
        while await read_request(reader):
            await gate.wait()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with Balanced() as pylb:
        pylb.declare(declared("web", "/"))
        (origin,) = await pylb.serve("web", held)
        running = await pylb.request("/")
        await until(lambda: origin.open)
        pylb.declare(declared("web", "/", response_timeout="10ms", max_body="1", upstream_keepalive="0"))
        assert await pylb.status("/") == 504
        gate.set()
        assert (await running.answer())[0] == 200
        assert await pylb.post("/", 2) == 413


async def test_connections_of_former_rules_carry_no_request_after_a_change():
    async with Balanced() as pylb:
        pylb.declare(declared("web", "/"))
        (origin,) = await pylb.serve("web", HELLO)
        assert await pylb.status("/") == 200
        pylb.declare(declared("web", "/", response_timeout="5s"))
        assert await pylb.status("/") == 200
        assert origin.connections == 1
        pylb.declare(declared("web", "/", upstream_tls_name="backend.example"))
        assert await pylb.status("/") == 200
        assert origin.connections == 2


@pytest.mark.parametrize(
    ("route", "status"),
    [("/x redirect=307,/y", 307), ("/x respond=404,gone", 404), ("/x allow=192.0.2.1", 403), ("/z", 404)],
)
@pytest.mark.parametrize("size", [5, 300_000])
async def test_a_response_of_pylb_before_the_body_is_read(route, status, size):
    """No byte of the body is taken for another request, and the client receives the response."""
    async with Balanced() as pylb:
        pylb.declare(declared("web", route))
        await pylb.serve("web", HELLO)
        client = await pylb.client()
        body = b"GET /y HTTP/1.1\r\n\r\n".ljust(size, b"x")
        client.send(b"POST /x HTTP/1.1\r\n%bContent-Length: %d\r\n\r\n%b" % (HOST, size, body))
        got, head, _ = await client.answer()
        assert got == status
        assert b"\r\nConnection: close\r\n" in head
        assert await client.rest() == b""


async def test_requests_that_wait_for_a_service_that_is_removed_are_answered_at_once():
    gate = asyncio.Event()

    async def held(reader, writer):
        await read_request(reader)
        await gate.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with Balanced(queue_timeout=3600) as pylb:
        pylb.declare(declared("web", "/", max_conn="1"))
        (origin,) = await pylb.serve("web", held)
        pool = pylb.worker.pools["web"]
        running = await pylb.request("/")
        await until(lambda: origin.open)
        queued = [await pylb.request("/") for _ in range(2)]
        await until(lambda: len(pool.queue) == 2)
        pylb.worker.apply_routing(RoutingUpdate(9, {"web": None}))
        for client in queued:
            status, _, body = await client.answer()
            assert (status, b"the service web was removed" in body) == (503, True)
        gate.set()
        assert (await running.answer())[0] == 200
        assert await pylb.status("/") == 404
