"""The cost of parsing heads and chunks, beside other Python parsers; docs/adr/parser.md has the conclusions.

The others only parse; pylb checks more, and understands what a head means for a proxy, in the same time. None
of them writes heads, so the whole way (`exchange`) is shown for pylb alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import h11
import httptools
import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_parser import HttpRequestParser
from pytest_benchmark.fixture import BenchmarkFixture

from bench.lib.workload import BROWSER_HEADERS
from bench.micro.timing import calls, changes
from pylb.config.clients import Limits
from pylb.http1.bad_request import bad_request
from pylb.http1.body import Chunked, chunk, last_chunk
from pylb.http1.headers import ClientInfo
from pylb.http1.parser import parse_request, parse_response
from pylb.http1.writer import request_head, response_head

BROWSER = "".join(f"{name}: {value}\r\n" for name, value in BROWSER_HEADERS.items()).encode()
FIREFOX = BROWSER + (
    b"Connection: keep-alive\r\nReferer: https://shop.example/\r\n"
    b"Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\nUpgrade-Insecure-Requests: 1\r\n"
    b"Sec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: same-origin\r\n"
    b"Priority: u=0, i\r\n"
)
GET = b"GET /api/items?page=2 HTTP/1.1\r\nHost: shop.example\r\n"
REQUESTS = {
    "plain": GET + b"\r\n",
    "browser": GET + BROWSER + b"\r\n",
    "firefox": GET + FIREFOX + b"\r\n",
    "behind a proxy": GET + BROWSER + b"X-Forwarded-For: 203.0.113.5\r\nX-Forwarded-Proto: https\r\n\r\n",
}
SERVER = b"Server: nginx/1.22.1\r\nDate: Sun, 22 Nov 2026 13:00:00 GMT\r\nContent-Type: text/plain\r\n"
RESPONSES = {
    "nginx": b"HTTP/1.1 200 OK\r\n" + SERVER + b"Content-Length: 0\r\nConnection: keep-alive\r\n\r\n",
    "plain": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "chunked": b"HTTP/1.1 200 OK\r\n" + SERVER + b"Transfer-Encoding: chunked\r\n\r\n",
}
LIMITS = Limits()
ORIGIN = ClientInfo("192.0.2.7", "http")
READ = 64 * 1024


class Heard:
    """Collects from llhttp the data that a proxy needs."""

    def __init__(self) -> None:
        self.url = b""
        self.fields: list[tuple[bytes, bytes]] = []

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name, value))


def httptools_request(head: bytes) -> object:
    heard = Heard()
    parser = httptools.HttpRequestParser(heard)
    parser.feed_data(head)
    return parser.get_method(), heard.url, heard.fields, parser.should_keep_alive()


def httptools_response(head: bytes) -> object:
    heard = Heard()
    parser = httptools.HttpResponseParser(heard)
    parser.feed_data(head)
    return parser.get_status_code(), heard.fields, parser.should_keep_alive()


def h11_request(head: bytes) -> object:
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(head)
    return connection.next_event()


def h11_response(head: bytes) -> object:
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(head)
    return connection.next_event()


def aiohttp_request() -> Callable[[bytes], object]:
    """Reuses the parser, as a connection does: after a message without a body it accepts the next one."""
    loop = asyncio.new_event_loop()
    parser = HttpRequestParser(BaseProtocol(loop), loop, READ, max_line_size=8190, max_field_size=8190)
    loop.close()
    feed: Callable[[bytes], object] = parser.feed_data
    return feed


REQUEST_PARSERS: dict[str, Callable[[bytes], object]] = {
    "pylb": lambda head: parse_request(head, LIMITS),
    "llhttp by httptools": httptools_request,
    "llhttp by aiohttp": aiohttp_request(),
    "h11": h11_request,
}
RESPONSE_PARSERS: dict[str, Callable[[bytes], object]] = {
    "pylb": parse_response,
    "llhttp by httptools": httptools_response,
    "h11": h11_response,
}


@pytest.mark.parametrize("parser", REQUEST_PARSERS)
@pytest.mark.parametrize("head", REQUESTS)
def test_request(benchmark: BenchmarkFixture, head: str, parser: str) -> None:
    benchmark.group = f"request: {head}"
    parse, data = REQUEST_PARSERS[parser], REQUESTS[head]
    calls(benchmark, lambda: parse(data))


@pytest.mark.parametrize("parser", RESPONSE_PARSERS)
@pytest.mark.parametrize("head", RESPONSES)
def test_response(benchmark: BenchmarkFixture, head: str, parser: str) -> None:
    benchmark.group = f"response: {head}"
    parse, data = RESPONSE_PARSERS[parser], RESPONSES[head]
    calls(benchmark, lambda: parse(data))


@pytest.mark.parametrize(
    ("sent", "received"),
    [
        ("plain", "plain"),
        ("browser", "nginx"),
        ("firefox", "nginx"),
        ("browser", "chunked"),
        ("behind a proxy", "nginx"),
    ],
)
def test_exchange(benchmark: BenchmarkFixture, sent: str, received: str) -> None:
    """The whole cost of a request in this layer: two heads parsed, two heads written."""
    benchmark.group = "exchange"
    question, answer = REQUESTS[sent], RESPONSES[received]

    def exchange() -> bytes:
        request = parse_request(question, LIMITS)
        sent = request_head(request, ORIGIN, b"0123456789abcdef", b"10.0.0.1:80")
        response = parse_response(answer)
        return sent + response_head(response, chunked=response.chunked, close=False, version=1)

    calls(benchmark, exchange)


@pytest.mark.parametrize("size", [1, 100, 1024, 16 * 1024])
@pytest.mark.parametrize("decoder", ["pylb", "llhttp by httptools", "h11"])
def test_chunks(benchmark: BenchmarkFixture, decoder: str, size: int) -> None:
    """One read of 64 KiB that consists of chunks of one size."""
    benchmark.group = f"64 KiB in chunks of {size}"
    piece = chunk(b"x" * size)
    data = piece * (READ // len(piece)) + last_chunk()
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

    def by_pylb() -> object:
        return Chunked(bad_request).feed(data)

    def by_httptools() -> object:
        pieces: list[bytes] = []
        heard = Heard()
        heard.on_body = pieces.append  # type: ignore[attr-defined]
        httptools.HttpRequestParser(heard).feed_data(head + data)
        return b"".join(pieces)

    def by_h11() -> object:
        connection = h11.Connection(h11.SERVER)
        connection.receive_data(head + data)
        pieces = []
        while not isinstance(event := connection.next_event(), h11.EndOfMessage):
            if isinstance(event, h11.Data):
                pieces.append(bytes(event.data))
        return b"".join(pieces)

    changes(benchmark, {"pylb": by_pylb, "llhttp by httptools": by_httptools, "h11": by_h11}[decoder])
