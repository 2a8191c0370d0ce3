"""Header blocks of requests, read by hpack."""

import hpack
import pytest

from pylb.http1.parser import Request
from pylb.http2.request_block import head_size, is_websocket, request_block, switched, trailers_block


def decoded(block):
    return hpack.Decoder(max_header_list_size=1 << 20).decode(block, raw=True)


HEAD = (
    b"GET /p?q=1 HTTP/1.1\r\nAccept: */*\r\nHost: shop.example:81\r\nX-A:\t b \r\nTE: trailers\r\n"
    b"Connection: TE\r\n\r\n"
)


@pytest.mark.parametrize("scheme", [b"http", b"https"])
def test_the_start_line_and_host_become_pseudo_fields(scheme):
    for _ in range(2):  # The second time, lines are stored.
        assert decoded(request_block(HEAD, tls=scheme == b"https")) == [
            (b":method", b"GET"),
            (b":scheme", scheme),
            (b":path", b"/p?q=1"),
            (b":authority", b"shop.example:81"),
            (b"accept", b"*/*"),
            (b"x-a", b"b"),
            (b"te", b"trailers"),
        ]


def test_fields_about_the_connection_are_not_sent():
    head = (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: Upgrade\r\n"
        b"Upgrade: x\r\nKeep-Alive: 1\r\nProxy-Connection: x\r\n\r\n"
    )
    assert {name for name, _ in decoded(request_block(head, tls=False))} == {
        *(b":method", b":scheme", b":path", b":authority"),
    }


def test_long_lines_are_not_stored():
    for length in (100, 600, 100_000):
        head = b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: %b\r\n\r\n" % (b"v" * length)
        assert decoded(request_block(head, tls=False))[-1] == (b"x-long", b"v" * length)


def test_the_last_line_may_be_the_host():
    for _ in range(2):
        head = b"GET / HTTP/1.1\r\nX-A: b\r\nHost: last.example\r\n\r\n"
        assert decoded(request_block(head, tls=False))[3:] == [
            (b":authority", b"last.example"),
            (b"x-a", b"b"),
        ]
        head = b"GET / HTTP/1.1\r\nHost: only.example\r\n\r\n"
        assert decoded(request_block(head, tls=False))[3:] == [(b":authority", b"only.example")]


def test_targets_and_ids_vary_among_equal_heads():
    for number in range(3):
        head = b"PUT /%d HTTP/1.1\r\nHost: a\r\nX-B: c\r\nX-Request-ID: %d\r\n\r\n" % (number, number)
        fields = decoded(request_block(head, tls=False))
        assert fields[2] == (b":path", b"/%d" % number)
        assert fields[4:] == [(b"x-b", b"c"), (b"x-request-id", b"%d" % number)]


def test_many_different_lines_are_encoded():
    for number in range(10_000):
        head = b"GET / HTTP/1.1\r\nHost: a\r\nX-Number: %d\r\n\r\n" % number
        assert request_block(head, tls=False).endswith(b"%d" % number)


def test_a_websocket_is_an_extended_connect():
    head = (
        b"GET /chat HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Key: abc\r\nSec-WebSocket-Version: 13\r\n"
        b"Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    )
    assert decoded(request_block(head, tls=False, websocket=True)) == [
        (b":method", b"CONNECT"),
        (b":protocol", b"websocket"),
        (b":scheme", b"http"),
        (b":path", b"/chat"),
        (b":authority", b"a"),
        (b"sec-websocket-version", b"13"),
    ]


def test_only_a_sole_websocket_is_one():
    request = Request(b"GET", b"/", 1, b"")
    for upgrade, expected in ((b"", False), (b"WebSocket", True), (b"websocket, x", False)):
        request.upgrade = upgrade
        assert is_websocket(request) is expected


def test_a_2xx_becomes_a_101():
    """The key and its answer are those of RFC 6455 §1.3."""
    head = b"HTTP/1.1 200 OK\r\nsec-websocket-protocol: chat\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert switched(head, b"dGhlIHNhbXBsZSBub25jZQ==") == (
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nsec-websocket-protocol: chat\r\n\r\n"
    )


def test_trailers():
    block = trailers_block(b"Grpc-Status: 0\r\ngrpc-message: \r\n")
    assert decoded(block) == [(b"grpc-status", b"0"), (b"grpc-message", b"")]


def test_the_size_of_a_head_is_at_least_what_a_peer_counts():
    fields = decoded(request_block(HEAD, tls=True))
    counted = sum(len(name) + len(value) + 32 for name, value in fields)
    assert counted <= head_size(HEAD) <= counted + 200
