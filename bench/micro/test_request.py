"""The cost of a whole request in Python, without the event loop and the kernel."""

from __future__ import annotations

import asyncio
from itertools import cycle
from time import monotonic
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.lib.workload import BROWSER_HEADERS, SMALL_ANSWER
from bench.micro.pools import snapshot
from bench.micro.timing import calls
from pylb.config.backends import PoolOptions
from pylb.observe.counters import Counters
from pylb.observe.metrics import Metrics
from pylb.observe.shared_counters import SharedCounters
from pylb.policy.balance.sessions import token_of
from pylb.policy.pool import Pool
from pylb.proxy.context import Context
from pylb.proxy.forward import forward
from pylb.proxy.h1.downstream import Downstream
from pylb.proxy.request_key import ReadKey, key_reader
from pylb.proxy.server import Server
from pylb.proxy.service import Service
from pylb.proxy.sessions import Sessions
from pylb.proxy.upstream.connector import Connector, UpstreamRules
from pylb.proxy.upstream.h1 import H1Upstream
from pylb.proxy.upstream.pending_transport import PendingTransport
from pylb.routes.declaration import declare
from pylb.routes.grammar import parse_service
from pylb.routes.table import RouteTable

KEY = b"a key of the benchmark"

FIELDS = "".join(f"{name}: {value}\r\n" for name, value in {"Host": "web", **BROWSER_HEADERS}.items())
ANSWER = (
    "HTTP/1.1 200 OK\r\nServer: origin\r\nDate: Sat, 28 Nov 2026 12:00:00 GMT\r\nContent-Type: text/plain\r\n"
    f"Content-Length: {len(SMALL_ANSWER)}\r\nETag: %s\r\n\r\n{SMALL_ANSWER}"
)


class Nowhere(asyncio.Transport):
    """A transport that stores the written data."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        pass

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("192.0.2.7", 40_000), "sockname": ("192.0.2.1", 80)}.get(name, default)


class Connection:
    """A client connection and a backend connection of pylb, and the data that they receive in turn."""

    def __init__(
        self,
        heads: list[bytes],
        answers: list[bytes],
        options: PoolOptions | None = None,
        sticky: Sessions | None = None,
        read_key: ReadKey | None = None,
    ) -> None:
        counters = Counters(SharedCounters(), monotonic)
        web = Pool("web", options, counters=counters.allocate, secret=KEY)
        self.context = Context(observe=Metrics(counters).count)
        connector = Connector(UpstreamRules(), self.context.batch, self.context.responses, reusable=True)
        service = Service(web, connector, sticky=sticky, read_key=read_key)
        self.context.services["web"] = service
        self.context.routes = RouteTable(declare([parse_service("web")]), lambda _: service)
        Server(self.context).apply(snapshot(3))
        self.context.batch.scheduled = True  # By us: there is no loop.
        self.client = Downstream(self.context, lambda *_: forward)
        self.client.connection_made(Nowhere())
        self.upstreams = {}
        for backend in web.backends.values():
            upstream = self.upstreams[backend.name] = H1Upstream(
                backend, self.client, self.context.batch, self.context.responses, PendingTransport(-1)
            )
            upstream.connection_made(Nowhere())
            upstream.client = None
            backend.idle.append(upstream)
        self.heads, self.answers = cycle(heads), cycle(answers)

    def request(self) -> None:
        """One request and its response."""
        self.client.data_received(next(self.heads))
        self.context.batch.run()
        [upstream] = [each for each in self.upstreams.values() if each.client is not None]
        upstream.data_received(next(self.answers))
        self.context.batch.run()


@pytest.mark.parametrize("variety", [1, 5_003])
@pytest.mark.benchmark(group="a whole request")
def test_request(benchmark: BenchmarkFixture, variety: int) -> None:
    heads = [
        f"GET /?item={n} HTTP/1.1\r\n{FIELDS}Cookie: session={n * 7919}\r\n\r\n".encode()
        for n in range(variety)
    ]
    answers = [(ANSWER % f'"{n}"').encode() for n in range(variety)]
    connection = Connection(heads, answers)
    calls(benchmark, connection.request)
    assert connection.client.served > 1_000


@pytest.mark.parametrize("kind", ["plain", "hash", "sticky"])
@pytest.mark.benchmark(group="a whole request, by policy")
def test_request_with_a_key(benchmark: BenchmarkFixture, kind: str) -> None:
    """The client has a session, so no response begins one."""
    token = token_of(KEY, "web", snapshot(3).endpoints[0].authority).decode()
    heads = [f"GET /small HTTP/1.1\r\n{FIELDS}Cookie: a=b; pylb={token}\r\n\r\n".encode()]
    options, sticky, read_key = PoolOptions(), None, None
    if kind == "hash":
        options, read_key = PoolOptions(policy="hash"), key_reader("cookie:pylb")
    if kind == "sticky":
        options, sticky = PoolOptions(sticky="cookie:pylb"), Sessions("cookie:pylb", "web", KEY, 0.0)
    connection = Connection(heads, [(ANSWER % '"1"').encode()], options, sticky, read_key)
    calls(benchmark, connection.request)
