"""The cost of header blocks; docs/adr/header-blocks.md has the conclusions.

One round is a connection with 200 requests, or 200 responses. `REQUESTS` divides its time.
"""

from __future__ import annotations

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.lib.workload import BROWSER_HEADERS
from bench.micro.timing import batches, calls
from pylb.config.clients import Limits
from pylb.http1.parser import Response, parse_response
from pylb.http2 import huffman
from pylb.http2.request_heads import RequestHeads
from pylb.http2.response_heads import response_block
from tests.http2.encoders import ENCODERS

Fields = list[tuple[bytes, bytes]]

LIMITS = Limits()
REQUESTS = 200
TABLE_SIZES = (4096, 0)
BROWSER: Fields = [
    (b":method", b"GET"),
    (b":scheme", b"https"),
    (b":authority", b"shop.example"),
    (b":path", b"/api/items?page=2"),
    *((name.lower().encode(), value.encode()) for name, value in BROWSER_HEADERS.items()),
    (b"referer", b"https://shop.example/"),
    (b"sec-fetch-dest", b"document"),
    (b"sec-fetch-mode", b"navigate"),
    (b"sec-fetch-site", b"same-origin"),
]
COOKIES: Fields = [(b"cookie", b"cookie-%02d=%060x" % (number, 3**number)) for number in range(15)]
"""1 KB in crumbs, as browsers send them."""
RESPONSE = (
    b'HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Sun, 22 Nov 2026 13:00:00 GMT\r\nETag: "%d"\r\n'
    b"Content-Type: application/json\r\nContent-Length: %d\r\nCache-Control: no-cache\r\n"
    b"Vary: accept-encoding\r\n\r\n"
)


def changed(fields: Fields, names: set[bytes], number: int) -> Fields:
    """The fields with a new value of these names."""
    return [(name, b"%b-%d" % (value, number) if name in names else value) for name, value in fields]


VARIED: dict[str, set[bytes]] = {
    "repeated": set(),
    "another path": {b":path"},
    "another path and two more fields": {b":path", b"referer", b"accept-language"},
}


def connection(client: str, table_size: int, fields: Fields, varied: str) -> list[bytes]:
    """The blocks of one connection."""
    encoder = ENCODERS[client]()
    encoder.header_table_size = table_size
    return [encoder.encode(changed(fields, VARIED[varied], number)) for number in range(REQUESTS)]


@pytest.mark.parametrize("fields", [BROWSER, BROWSER + COOKIES], ids=["no cookies", "1 KB of cookies"])
@pytest.mark.parametrize("table_size", TABLE_SIZES)
@pytest.mark.parametrize("client", ENCODERS)
@pytest.mark.parametrize("varied", VARIED)
def test_requests(
    benchmark: BenchmarkFixture, varied: str, client: str, table_size: int, fields: Fields
) -> None:
    blocks = connection(client, table_size, fields, varied)
    size = sum(map(len, blocks)) // REQUESTS
    benchmark.group = f"{varied}: {client}, {len(fields)} fields, table of {table_size}, {size} bytes"

    def setup() -> RequestHeads:
        huffman._MEMO.clear()
        return RequestHeads(LIMITS, table_size)

    def run(heads: RequestHeads) -> None:
        for block in blocks:
            heads.head(block, end_stream=True)

    batches(benchmark, run, setup)


def test_a_repeated_response(benchmark: BenchmarkFixture) -> None:
    benchmark.group = "a repeated response"
    response = parse_response(RESPONSE % (1, 2))
    calls(benchmark, lambda: response_block(response))


def test_new_responses(benchmark: BenchmarkFixture) -> None:
    """Two of seven lines are new."""
    benchmark.group = "new responses"
    numbers = iter(range(10**9))

    def setup() -> list[Response]:
        return [parse_response(RESPONSE % (next(numbers), next(numbers))) for _ in range(REQUESTS)]

    def run(responses: list[Response]) -> None:
        for response in responses:
            response_block(response)

    batches(benchmark, run, setup)
