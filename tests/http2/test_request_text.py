import pytest
from hypothesis import given
from hypothesis import strategies as st

from pylb.errors import ProxyError
from pylb.http1.parser import parse_request
from pylb.http2 import request_text as module
from pylb.http2.request_text import request_text
from tests.http2.invariants import LIMITS, check_fields
from tests.http2.messages import requests

METHOD, SCHEME, PATH, AUTHORITY = (
    (b":method", b"GET"),
    (b":scheme", b"https"),
    (b":path", b"/p"),
    (b":authority", b"a"),
)
GET = [METHOD, SCHEME, PATH, AUTHORITY]
POST = [(b":method", b"POST"), *GET[1:]]
WEBSOCKET = [(b":method", b"CONNECT"), (b":protocol", b"websocket"), *GET[1:]]


def head(fields, *, end_stream=True):
    return request_text(fields, end_stream=end_stream).head(dict(fields)[b":path"])


@given(requests(), st.booleans())
def test_a_request_keeps_its_meaning_or_is_refused(fields, end_stream):
    check_fields(fields, end_stream=end_stream)


EVERY_FIELD = [
    *POST,
    (b"host", b"a"),
    (b"x-b", b"c"),
    (b"cookie", b"d=e"),
    (b"te", b"trailers"),
    (b"content-length", b"15"),
    (b"sec-websocket-key", b"f"),
]


@pytest.mark.parametrize("place", range(len(EVERY_FIELD)))
def test_every_byte_at_the_start_in_the_middle_and_at_the_end_of_a_name_and_a_value(place):
    name, value = EVERY_FIELD[place]
    for part, text in enumerate((name, value)):
        for at in {0, 1, len(text)}:
            for byte in range(256):
                changed = text[:at] + bytes([byte]) + text[at:]
                field = (changed, value) if part == 0 else (name, changed)
                check_fields([*EVERY_FIELD[:place], field, *EVERY_FIELD[place + 1 :]], end_stream=False)


@pytest.mark.parametrize(
    ("fields", "end_stream", "text"),
    [
        (GET, True, b"GET /p HTTP/1.1\r\nHost: a\r\n\r\n"),
        (
            [*GET, (b"x-b", b" c\t"), (b"a", b"")],
            True,
            b"GET /p HTTP/1.1\r\nHost: a\r\nx-b: c\r\na: \r\n\r\n",
        ),
        (
            [*GET, (b"a", b"b"), (b"grpc-timeout", b" 1S"), (b"grpc-timeout", b"2S")],
            True,
            b"GET /p HTTP/1.1\r\ngrpc-timeout: 1S\r\ngrpc-timeout: 2S\r\nHost: a\r\na: b\r\n\r\n",
        ),
        (GET, False, b"GET /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"),
        (POST, False, b"POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"),
        (POST, True, b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"),
        (
            [*POST, (b"content-length", b"5"), (b"content-length", b" 5")],
            False,
            b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
        ),
        ([*GET, (b"content-length", b"0")], True, b"GET /p HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"),
        (
            [*GET, (b"cookie", b"a=b"), (b"x", b"y"), (b"cookie", b""), (b"cookie", b"c=d")],
            True,
            b"GET /p HTTP/1.1\r\nHost: a\r\nx: y\r\ncookie: a=b; c=d\r\n\r\n",
        ),
        (
            [*GET, (b"te", b"trailers")],
            True,
            b"GET /p HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\n\r\n",
        ),
        ([METHOD, SCHEME, PATH, (b"host", b"b:80")], True, b"GET /p HTTP/1.1\r\nHost: b:80\r\n\r\n"),
        ([*GET, (b"host", b"A:443")], True, b"GET /p HTTP/1.1\r\nHost: a\r\n\r\n"),
        (
            [*GET[:3], (b":authority", b"A:443"), (b"host", b"a")],
            True,
            b"GET /p HTTP/1.1\r\nHost: A:443\r\n\r\n",
        ),
        (
            [(b":method", b"OPTIONS"), SCHEME, (b":path", b"*"), AUTHORITY],
            True,
            b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
    ],
)
def test_fields_become_lines(fields, end_stream, text):
    assert head(fields, end_stream=end_stream) == text
    parse_request(text, LIMITS)


REFUSED = [
    ([], 400, "no field :method"),
    (GET[1:], 400, "no field :method"),
    ([METHOD, PATH, AUTHORITY], 400, "no field :scheme"),
    ([METHOD, SCHEME, AUTHORITY], 400, "no field :path"),
    (GET[:3], 400, "neither :authority nor Host"),
    ([*GET, AUTHORITY], 400, "two fields :authority"),
    ([*GET, (b":path", b"/q")], 400, "two fields :path"),
    ([*GET, (b":status", b"200")], 400, "an unknown pseudo field ':status'"),
    ([*GET[:3], (b"a", b"b"), AUTHORITY], 400, "field :authority after a field"),
    ([*GET, (b"a", b"b"), (b":x", b"y")], 400, "field name ':x'"),
    ([(b":method", b""), *GET[1:]], 400, "method ''"),
    ([(b":method", b"GET / HTTP/1.1\r\nX: y\r\nZ:"), *GET[1:]], 400, "method 'GET / HTTP/1.1"),
    ([METHOD, (b":scheme", b""), PATH, AUTHORITY], 400, "scheme ''"),
    ([(b":method", b"CONNECT"), AUTHORITY], 405, "method CONNECT"),
    (
        [(b":method", b"CONNECT"), (b":protocol", b"connect-udp"), *GET[1:]],
        501,
        "CONNECT with protocol 'connect-udp'",
    ),
    ([*GET, (b":protocol", b"websocket")], 400, "field :protocol"),
    ([*WEBSOCKET, (b"content-length", b"0")], 400, "Content-Length in a request that opens a WebSocket"),
    *(
        ([METHOD, SCHEME, (b":path", path), AUTHORITY], 400, "path ")
        for path in (
            b"",
            b"a",
            b"*",
            b"http://a/",
            b"/ a",
            b"/#",
            b"/\r\nX: y",
            b"/\n",
            b"/\0",
            b"/\x7f",
            b"/\t",
        )
    ),
    *(
        ([*GET[:3], (b":authority", host)], 400, "authority ")
        for host in (
            b"",
            b"a b",
            b"u@a",
            b"a/b",
            b"a?b",
            b"a#b",
            b"a\r\nX: y",
            b"a\0",
            b"a,b",
            b"a:x",
            b"a:800000",
        )
    ),
    ([METHOD, SCHEME, PATH, (b"host", b"u@a")], 400, "authority 'u@a'"),
    ([*GET, (b"host", b"b")], 400, "Host 'b', but authority 'a'"),
    ([*GET, (b"host", b"a:80")], 400, "Host 'a:80', but authority 'a'"),
    ([*GET, (b"host", b"a"), (b"host", b"a")], 400, "several Host fields"),
    *(
        ([*GET, (name, b"x")], 400, f"a field {name.decode()!r}")
        for name in (b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade")
    ),
    ([*GET, (b"te", b"gzip")], 400, "TE 'gzip'"),
    ([*GET, (b"te", b"trailers"), (b"te", b"gzip")], 400, "TE 'trailers, gzip'"),
    *(
        ([*GET, (name, b"x")], 400, "field name ")
        for name in (b"", b"A", b"a b", b"a:", b"a: b", b"a\r\nb", b"a\0", b"\xe9", b"a\n")
    ),
    *(
        ([*GET, (name, value)], 400, f"a line end in the field {name.decode()!r}")
        for name in (b"a", b"cookie")
        for value in (b"b\r\nc: d", b"b\nc", b"b\rc", b"\r\n", b"b\r\n c")
    ),
    (
        [*POST, (b"content-length", b"5\r\nX: y")],
        400,
        "Content-Length '5\\r\\nX: y' in a request without content",
    ),
    ([*POST, (b"content-length", b"5")], 400, "Content-Length '5' in a request without content"),
    ([*POST, (b"content-length", b"0"), (b"content-length", b"5")], 400, "Content-Length '0, 5'"),
]


@pytest.mark.parametrize(("fields", "status", "detail"), REFUSED)
def test_a_malformed_request_is_refused_with_the_reason(fields, status, detail):
    with pytest.raises(ProxyError) as error:
        request_text(fields, end_stream=True)
    assert error.value.status == status
    assert error.value.detail.startswith(detail)


def test_a_length_with_a_line_end_is_refused_if_content_follows():
    with pytest.raises(ProxyError, match="a line end in the field 'content-length'"):
        request_text([*POST, (b"content-length", b"5\r\nX: y")], end_stream=False)


def test_a_websocket_becomes_an_upgrade_with_a_new_key_each_time():
    fields = [*WEBSOCKET, (b"sec-websocket-key", b"x"), (b"sec-websocket-version", b"13")]
    text = request_text(fields, end_stream=False)
    assert not text.repeatable
    start, _, key = text.head(b"/p").partition(b"Sec-WebSocket-Key: ")
    assert start == (
        b"GET /p HTTP/1.1\r\nHost: a\r\nsec-websocket-version: 13\r\n"
        b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    )
    assert len(key) == len(b"dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
    assert key != head(fields).partition(b"Sec-WebSocket-Key: ")[2]
    assert parse_request(text.head(b"/p"), LIMITS).upgrade == b"websocket"


def test_a_websocket_may_accept_trailers():
    request = parse_request(head([*WEBSOCKET, (b"te", b"trailers")]), LIMITS)
    assert (request.upgrade, request.trailers) == (b"websocket", True)


def test_the_names_known_to_be_valid_are_bounded(monkeypatch):
    monkeypatch.setattr(module, "_NAMES", names := set())
    monkeypatch.setattr(module, "_MAX_NAMES", 10)
    head([*GET, *((b"x-%d" % number, b"") for number in range(25))])
    assert len(names) == 5
    with pytest.raises(ProxyError):
        head([*GET, (b"X", b"")])
    assert b"X" not in names
