"""Requests with stored fields must equal those of the parser."""

import pytest

from pylb.config.clients import Limits
from pylb.errors import ProxyError
from pylb.http1.head_cache import MAX_HEAD, STORE_EVERY
from pylb.http1.headers import ClientInfo
from pylb.http1.parser import parse_request
from pylb.http1.trace import Tracing
from pylb.http1.writer import request_head
from pylb.http2.request_reader import MAX_SIZE, RequestReader
from tests.http2.invariants import check_reader, facts

CLIENT = ClientInfo("192.0.2.7", "https", version=2)
TIMEOUT = b"grpc-timeout: 1S\r\n"
GRPC = b"Host: a\r\ncontent-type: application/grpc\r\n%bTE: trailers\r\nConnection: TE\r\n%b\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
KINDS = {
    "browser": b"Host: a\r\nuser-agent: x\r\n\r\n",
    "without content": GRPC % (b"", b""),
    "chunked": GRPC % (b"", CHUNKED),
    "length": GRPC % (b"", b"Content-Length: 5\r\n"),
    "only a host": b"Host: a\r\n\r\n",
    "only a host, rewritten": b"Host: a\r\nTE: trailers\r\nConnection: TE\r\n\r\n",
    "expectation": GRPC % (b"expect: 100-continue\r\n", CHUNKED),
    "trailer": GRPC % (b"trailer: a, b\r\n", CHUNKED),
    "forwarded": GRPC % (b"x-forwarded-for: 198.51.100.9\r\nx-forwarded-proto: http\r\n", CHUNKED),
    "id": GRPC % (b"x-request-id: 5\r\n", CHUNKED),
    "ntlm": GRPC % (b"authorization: NTLM a\r\n", CHUNKED),
}
every_kind = pytest.mark.parametrize("fields", KINDS.values(), ids=KINDS)


def reading(fields, *, client=CLIENT, limits=None):
    """A reader that has stored these fields."""
    reader = RequestReader(limits or Limits(), client)
    first = reader.read(b"GET /first HTTP/1.1\r\n" + fields)
    assert reader.read(b"GET /first HTTP/1.1\r\n" + fields).lines is not first.lines
    return reader


@every_kind
@pytest.mark.parametrize("timeout", [b"", TIMEOUT, b"grpc-timeout: 12345678n\r\n", TIMEOUT + TIMEOUT])
@pytest.mark.parametrize("trusted", [False, True])
def test_stored_fields_match_the_parser(fields, timeout, trusted):
    client = ClientInfo("192.0.2.7", "https", version=2, proxies=["192.0.2.7"] if trusted else ())
    reader = reading(fields, client=client)
    for start in (
        b"GET /first HTTP/1.1",
        b"POST /b?c HTTP/1.1",
        b"OPTIONS * HTTP/1.1",
        b"GET http://b.example/ HTTP/1.1",
        b"TRACE / HTTP/1.1",
    ):
        check_reader(reader, client, start + b"\r\n" + timeout + fields)


@every_kind
def test_requests_with_equal_fields_share_the_stored_lines(fields):
    reader = reading(fields)
    one, two = (reader.read(b"%b /%b HTTP/1.1\r\n%b" % (start, start, fields)) for start in (b"GET", b"PUT"))
    assert one.lines is two.lines
    assert one.cached_head is two.cached_head != b""


@every_kind
def test_fields_that_differ_in_their_timeout_are_stored_once(fields):
    reader = reading(TIMEOUT + fields)
    for digit in b"123":
        request = reader.read(b"GET / HTTP/1.1\r\ngrpc-timeout: %cS\r\n%b" % (digit, fields))
        assert request.cached_head
        assert b"\ngrpc-timeout: %cS\r" % digit in request.cached_head


@pytest.mark.parametrize("value", [b"", b"1", b"S", b"123456789S", b"1s", b"1 S", b"1S ", b"-1S", b"1S\0"])
def test_an_invalid_timeout_is_an_ordinary_field(value):
    fields = KINDS["chunked"]
    reader = reading(fields)
    check_reader(reader, CLIENT, b"GET / HTTP/1.1\r\ngrpc-timeout: %b\r\n%b" % (value, fields))


def test_kinds_take_turns():
    reader = RequestReader(Limits(), CLIENT)
    heads = [b"GET / HTTP/1.1\r\n" + fields for fields in KINDS.values()]
    for _ in range(STORE_EVERY * len(heads)):
        for head in heads:
            reader.read(head)
    assert all(reader.read(head).cached_head for head in heads)


def test_limits_hold_for_stored_fields():
    fields = KINDS["browser"]
    reader = reading(fields, limits=Limits(max_target=9))
    assert reader.read(b"GET /12345678 HTTP/1.1\r\n" + fields).target == b"/12345678"
    with pytest.raises(ProxyError) as error:
        reader.read(b"GET /123456789 HTTP/1.1\r\n" + fields)
    assert error.value.status == 414


def test_a_timeout_is_one_more_field_for_the_limit():
    names = 60
    fields = b"Host: a\r\n" + b"a: b\r\n" * (names - 1) + b"\r\n"
    reader = RequestReader(Limits(max_headers=names), CLIENT)
    assert reader.read(b"GET / HTTP/1.1\r\n" + fields).host == b"a"
    with pytest.raises(ProxyError) as error:
        reader.read(b"GET / HTTP/1.1\r\n" + TIMEOUT + fields)
    assert error.value.status == 431


def test_a_trace_does_not_change_stored_fields():
    reader, head = reading(KINDS["chunked"]), b"GET / HTTP/1.1\r\n" + KINDS["chunked"]
    traced = reader.read(head)
    Tracing().begin(traced)
    assert b"\ntraceparent: 00-" in request_head(traced, CLIENT, b"id", b"")
    assert facts(reader.read(head)) == facts(parse_request(head, Limits()))


def test_the_same_head_is_the_same_request_unless_it_is_traced():
    reader, head = reading(KINDS["browser"]), b"GET / HTTP/1.1\r\n" + KINDS["browser"]
    request = reader.read(head)
    assert reader.read(head) is request
    Tracing().begin(request)
    assert reader.read(head) is not request
    assert reader.read(head).trace is None


def test_the_size_of_stored_fields_is_bounded():
    reader = RequestReader(Limits(), CLIENT)
    field = b"x: " + b"y" * 1000 + b"\r\n"
    numbers = range(MAX_SIZE // 1000 + 2)
    heads = [b"GET / HTTP/1.1\r\nHost: a%d\r\n%b\r\n" % (number, field) for number in numbers]
    for head in heads:
        for _ in range(STORE_EVERY):
            reader.read(head)
    assert reader.read(heads[-1]).cached_head
    assert not reader.read(heads[0]).cached_head


def test_long_fields_are_not_stored():
    reader = RequestReader(Limits(), CLIENT)
    head = b"GET / HTTP/1.1\r\nHost: a\r\nx: " + b"y" * MAX_HEAD + b"\r\n\r\n"
    assert not any(reader.read(head).cached_head for _ in range(2))
