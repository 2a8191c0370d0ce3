import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pylb.errors import ProxyError
from pylb.http1.head_cache import ResponseReader
from pylb.http1.parser import parse_response
from pylb.http1.writer import error_response, response_head, short_response
from pylb.http2 import response_heads as module
from pylb.http2.response_heads import block_of_text, response_block, trailers_block
from tests.http1.invariants import read_head
from tests.http1.messages import RESPONSE
from tests.http2.invariants import LIMITS

NOT_IN_HTTP2 = {
    b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te",
    b"transfer-encoding", b"upgrade",
}  # fmt: skip


def decoded(block):
    return hpack.Decoder(10**6).decode(block, raw=True)


def response(start=b"200 OK", *lines):
    return parse_response(b"HTTP/1.1 %b\r\n%b\r\n" % (start, b"".join(line + b"\r\n" for line in lines)))


def fields(*args):
    return decoded(response_block(response(*args)))


@given(RESPONSE)
def test_a_response_has_the_fields_that_an_http1_client_receives_except_those_of_its_connection(head):
    try:
        parsed = parse_response(head)
    except ProxyError:
        return
    (status, *found) = decoded(response_block(parsed))
    written = response_head(parsed, chunked=parsed.chunked, close=False, version=1)
    (_, code, *_), expected = read_head(written)
    assert status == (b":status", b"200" if code == b"101" else code)
    expected = [field for field in expected if field[0] not in NOT_IN_HTTP2 - {b"sec-websocket-accept"}]
    if parsed.status == 101:
        expected = [field for field in expected if field[0] != b"sec-websocket-accept"]
    assert sorted(found) == sorted(expected)
    assert all(name == name.lower() and value == value.strip(b"\t ") for name, value in found)


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ((b"200 OK",), [(b":status", b"200")]),
        (
            (b"404 Not Found", b"Server: x", b"Content-Length: 5", b"Set-Cookie: a=b", b"Set-Cookie: c=d"),
            [
                (b":status", b"404"),
                (b"server", b"x"),
                (b"content-length", b"5"),
                (b"set-cookie", b"a=b"),
                (b"set-cookie", b"c=d"),
            ],
        ),
        ((b"200 OK", b"A: \t b ", b"C:"), [(b":status", b"200"), (b"a", b"b"), (b"c", b"")]),
        ((b"200 OK", b"Transfer-Encoding: chunked", b"Connection: close"), [(b":status", b"200")]),
        (
            (b"200 OK", b"Transfer-Encoding: chunked", b"Trailer: Grpc-Status", b"Keep-Alive: 5"),
            [(b":status", b"200"), (b"trailer", b"Grpc-Status")],
        ),
        ((b"200 OK", b"X-A: b", b"Connection: x-a, Content-Length", b"Content-Length: 0"),
         [(b":status", b"200"), (b"content-length", b"0")]),
        ((b"204 No Content", b"Content-Length: 0", b"A: b"), [(b":status", b"204"), (b"a", b"b")]),
        ((b"304 Not Modified", b"Content-Length: 9"), [(b":status", b"304"), (b"content-length", b"9")]),
        ((b"103 Early Hints", b"Link: x"), [(b":status", b"103"), (b"link", b"x")]),
        ((b"599 ",), [(b":status", b"599")]),
        (
            (
                b"101 Switching Protocols", b"Upgrade: websocket", b"Connection: Upgrade",
                b"Sec-WebSocket-Accept: x", b"Sec-WebSocket-Protocol: chat",
            ),
            [(b":status", b"200"), (b"sec-websocket-protocol", b"chat")],
        ),
    ],
)  # fmt: skip
def test_fields_of_a_response(args, expected):
    assert fields(*args) == expected


def test_equal_heads_have_one_block():
    reader = ResponseReader(LIMITS)
    head = b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 0\r\n\r\n"
    assert response_block(reader.read(head)) is response_block(reader.read(head))


def test_extra_fields_are_not_stored():
    given_response = response(b"200 OK", b"Server: x")
    block = response_block(given_response, b"Date: now\r\nX-A: b\r\n")
    assert decoded(block) == [(b":status", b"200"), (b"server", b"x"), (b"date", b"now"), (b"x-a", b"b")]
    assert decoded(response_block(given_response)) == [(b":status", b"200"), (b"server", b"x")]


def test_messages_of_pylb():
    block = block_of_text(error_response(405, "no", request_id=b"i", date=b"now"))
    assert decoded(block)[0] == (b":status", b"405")
    assert {name for name, _ in decoded(block)[1:]} == {
        b"date", b"content-type", b"content-length", b"cache-control", b"x-request-id", b"allow"
    }  # fmt: skip
    text = short_response(308, b"Location: https://a/\r\n", close=False, version=0, date=b"now")
    assert decoded(block_of_text(text)) == [
        (b":status", b"308"),
        (b"location", b"https://a/"),
        (b"date", b"now"),
        (b"content-length", b"0"),
    ]


@given(st.lists(st.sampled_from([b"Grpc-Status: 0", b"a:  b ", b"TE: x", b"Connection: a", b"c:"])))
def test_trailers(lines):
    meant = {b"Grpc-Status: 0": [(b"grpc-status", b"0")], b"a:  b ": [(b"a", b"b")], b"c:": [(b"c", b"")]}
    block = trailers_block(b"".join(line + b"\r\n" for line in lines))
    assert decoded(block) == [field for line in lines for field in meant.get(line, [])]


def test_the_stored_lines_are_bounded(monkeypatch):
    monkeypatch.setattr(module, "_LINES", lines := type(module._LINES)())
    monkeypatch.setattr(module, "_MAX_LINES", 10)
    for number in range(25):
        assert decoded(trailers_block(b"A: %d\r\n" % number)) == [(b"a", b"%d" % number)]
    assert decoded(trailers_block(b"A: %b\r\n" % (b"x" * 300))) == [(b"a", b"x" * 300)]
    assert len(lines) == 5
