"""The environment of data plane tests: scripted origins, a data plane, and clients with raw sockets.

Everything is real but small: sockets on 127.0.0.1 and port 0, one loop. An origin is a coroutine function
that gets a reader and a writer per connection; what a client writes and reads is bytes.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import fields
from time import monotonic
from typing import Any

from pylb.config import Options
from pylb.config.backends import PoolOptions, Retries, Timeouts
from pylb.config.clients import Http2, Limits
from pylb.errors import NORMAL
from pylb.model import Endpoint, PoolState
from pylb.observe.counter_layout import TERMINATIONS
from pylb.observe.record import Record
from pylb.policy.pool import Pool
from pylb.proxy.clients import ClientRules
from pylb.proxy.context import Context
from pylb.proxy.handlers.choice import HandlerRules
from pylb.proxy.server import Server
from pylb.proxy.service import Service
from pylb.proxy.upstream.connector import Connector, UpstreamRules
from pylb.routes.declaration import declare
from pylb.routes.grammar import parse_service
from pylb.routes.table import RouteTable

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

HOST = b"Host: shop.example\r\n"


class Client:
    """A connection to pylb, and what comes back on it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> Client:
        self.writer.write(data)
        return self

    async def head(self) -> bytes:
        return await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 5)

    async def answer(self) -> tuple[int, bytes, bytes]:
        """Status, head and body of a response that has a Content-Length, or none."""
        head = await self.head()
        status = int(head.split(b" ", 2)[1])
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        return status, head, await asyncio.wait_for(self.reader.readexactly(length), 5)

    async def rest(self) -> bytes:
        """All that comes until the connection ends."""
        return await asyncio.wait_for(self.reader.read(-1), 10)

    def close(self) -> None:
        self.writer.close()


class Origin:
    """A backend that does what its script says, and remembers what it was asked."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.heads: list[bytes] = []
        self.connections = 0
        self.open = 0
        self.endpoint = Endpoint("web", "127.0.0.1", 0)
        self.server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    async def start(self, name: str, host: str = "127.0.0.1") -> None:
        self.server = await asyncio.start_server(self._connected, host, 0)
        port = self.server.sockets[0].getsockname()[1]
        self.endpoint = Endpoint("web", host, port, id=name)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A task of asyncio's own would log an error when it is cancelled at the end of a test.
        serving = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._serving.add(serving)
        serving.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        try:
            await self.handler(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= 1
            writer.close()

    def close(self) -> None:
        if self.server:
            self.server.close()


def _rules(kind: type[Any], values: dict[str, Any]) -> Any:
    """Rules of a kind, from those of the values that have the names of its fields; the others stay."""
    names = values.keys() & {each.name for each in fields(kind)}
    return kind(**{name: values.pop(name) for name in names})


class Environment:
    """Origins, a data plane and clients; leave it with `async with` and all of them end.

    Args:
        context: further arguments of `Context`.
        linger: see `Context`.
        linger_silence: see `Context`.
        options: options of `pylb serve`, such as `response_timeout=0.1`.
    """

    def __init__(
        self,
        *,
        context: Mapping[str, Any] | None = None,
        linger: float = Context.linger,
        linger_silence: float = Context.linger_silence,
        routes: Sequence[str] = ("web",),
        **options: Any,
    ) -> None:
        given = Options(**{"policy": "round-robin", "slow_start": 0, "min_body_rate": 0} | options)
        self.pool = Pool("web", PoolOptions.of(given), clock=monotonic)
        self.records: list[Record] = []
        changed = {"observe": self.records.append, **(context or {})}
        proxy_protocol = changed.pop("proxy_protocol", False)
        handlers = _rules(HandlerRules, changed)
        clients, upstreams = _rules(ClientRules, changed), _rules(UpstreamRules, changed)
        served = Context(
            timeouts=Timeouts.of(given),
            limits=Limits.of(given),
            http2=Http2.of(given),
            clients=clients,
            **changed,
        )
        connector = Connector(
            upstreams, served.batch, served.responses, reusable=given.upstream_keepalive > 0
        )
        self.service = Service(self.pool, connector, served.timeouts, served.limits, Retries.of(given))
        served.services["web"] = self.service
        declared = declare(parse_service(text) for text in routes)
        served.routes = RouteTable(declared, lambda _: self.service)
        served.linger, served.linger_silence = linger, linger_silence
        self.server = Server(served, handlers, proxy_protocol=proxy_protocol)
        self.origins: list[Origin] = []
        self.port = 0
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Environment:
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        self.port = listening.getsockname()[1]
        await self.server.listen(listening)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()
        self.server.close()
        for origin in self.origins:
            origin.close()
        codes = {record.termination for record in self.records}
        assert codes <= {NORMAL, *TERMINATIONS}, "a code that cannot be counted"

    async def origin(self, handler: Handler, host: str = "127.0.0.1") -> Origin:
        """Start a backend and put it into the pool."""
        origin = Origin(handler)
        await origin.start(f"web-{len(self.origins) + 1}", host)
        self.origins.append(origin)
        self.register(*(o.endpoint for o in self.origins))
        return origin

    def at_end(self, callback: Callable[[], object]) -> None:
        """Call a function when the environment ends."""
        self._stack.callback(callback)

    def register(self, *endpoints: Endpoint) -> None:
        """Let the pool be these."""
        self.server.apply(PoolState("web", endpoints))

    async def client(self) -> Client:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 20)
        self._stack.callback(writer.close)
        return Client(reader, writer)

    async def get(self, path: str = "/", extra: bytes = b"") -> tuple[int, bytes, bytes]:
        """Send one request on a separate connection."""
        client = await self.client()
        client.send(b"GET %b HTTP/1.1\r\n%b%b\r\n" % (path.encode(), HOST, extra))
        try:
            return await client.answer()
        finally:
            client.close()


def answers(body: bytes = b"hello", *, extra: bytes = b"", status: bytes = b"200 OK") -> Handler:
    """An origin that answers every request in the same way and keeps its connections."""
    response = b"HTTP/1.1 %b\r\nContent-Length: %d\r\n%b\r\n%b" % (status, len(body), extra, body)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await read_request(reader):
            writer.write(response)

    return handle


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """One request's head, its body read and thrown away; nothing at the end of the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            await reader.readexactly(int(line.split(b":")[1]))
        elif line.startswith(b"transfer-encoding:"):
            await read_chunks(reader)
    return head


async def read_chunks(reader: asyncio.StreamReader) -> bytes:
    """A chunked body, trailers included."""
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass
    return body
