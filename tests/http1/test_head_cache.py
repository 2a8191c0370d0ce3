"""Cached results must equal those of the parser."""

import pytest

from pylb.config.clients import Limits
from pylb.errors import ProxyError
from pylb.http1.head_cache import (
    MAX_HEAD,
    MAX_RESPONSES,
    STORE_EVERY,
    HeadCache,
    RequestReader,
    ResponseReader,
)
from pylb.http1.headers import ClientInfo
from pylb.http1.parser import parse_request, parse_response
from pylb.http1.trace import Tracing
from pylb.http1.writer import request_head, response_head
from tests.every import every

ORIGIN = ClientInfo("192.0.2.7", "http")
FIELDS = b"Host: shop.example\r\nConnection: keep-alive\r\nUser-Agent: x\r\n\r\n"
GET = b"GET /a HTTP/1.1\r\n" + FIELDS
OK = b"HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: %d\r\n\r\n"


def facts(message):
    """Return all attributes of a parsed message."""
    return {name: getattr(message, name) for name in dir(message) if name[0] != "_" and "cached" not in name}


def reading(first, *, limits=None):
    """Return a reader that has parsed this head."""
    reader = RequestReader(limits or Limits(), HeadCache(), ORIGIN)
    reader.read(first)
    return reader


@every(
    "start",
    [
        b"GET /b?c HTTP/1.1",
        b"POST / HTTP/1.1",
        b"OPTIONS * HTTP/1.1",
        b"GET /b HTTP/1.0",
        b"GET http://shop.example/b HTTP/1.1",
        b"GET http://b.example/ HTTP/1.1",
        b"TRACER / HTTP/1.1",
    ],
)
def test_stored_fields_after_another_start_line_match_the_parser(start):
    head = start + b"\r\n" + FIELDS
    assert facts(reading(GET).read(head)) == facts(parse_request(head, Limits()))


@every(
    "start",
    [
        b"",
        b"GET",
        b"GET /a HTTP/1.1\n",
        b"GET /a HTTP/1.1\r\r",
        b"GET  /a HTTP/1.1\r",
        b"GET /a\0 HTTP/1.1\r",
        b"GET /a HTTP/1.2\r",
        b"GET /a HTTP/1.1\r\nX : y\r",
        b"GET /a HTTP/1.1\r\nX: \0\r",
        b"CONNECT /a HTTP/1.1\r",
        b"TRACE / HTTP/1.1\r",
    ],
)
def test_stored_fields_after_an_invalid_start_line_are_rejected(start):
    head = start + b"\n" + FIELDS
    with pytest.raises(ProxyError) as expected:
        parse_request(head, Limits())
    with pytest.raises(ProxyError) as error:
        reading(GET).read(head)
    assert (error.value.status, error.value.detail) == (expected.value.status, expected.value.detail)


@pytest.mark.parametrize(
    "more",
    [
        b"X: y",
        b"Content-Length: 3",
        b"Host: shop.example",
        b"X-Forwarded-For: 1.2.3.4",
        b"X: " + b"y" * MAX_HEAD,
    ],
)
def test_fields_that_only_end_like_stored_ones_are_parsed(more):
    head = b"POST / HTTP/1.1\r\n" + more + b"\r\n" + FIELDS
    try:
        expected = facts(parse_request(head, Limits()))
    except ProxyError as error:
        with pytest.raises(ProxyError, match=error.detail):
            reading(GET).read(head)
    else:
        reader = reading(GET)
        assert facts(reader.read(head)) == facts(reader.read(head)) == expected


def test_the_limit_on_targets_holds_for_stored_fields():
    limits = Limits(max_target=9)
    reader = reading(GET, limits=limits)
    assert reader.read(b"GET /12345678 HTTP/1.1\r\n" + FIELDS).target == b"/12345678"
    with pytest.raises(ProxyError) as error:
        reader.read(b"GET /123456789 HTTP/1.1\r\n" + FIELDS)
    assert error.value.status == 414


@pytest.mark.parametrize(
    "framed", [b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n"]
)
def test_only_clean_fields_without_a_body_are_stored(framed):
    head = b"POST / HTTP/1.1\r\nHost: a\r\n" + framed + b"\r\n"
    reader = reading(head)
    assert facts(reader.read(head)) == facts(parse_request(head, Limits()))


CLOSING = b"Host: a\r\nConnection: close\r\nX: y\r\n\r\n"


def test_a_new_connection_starts_with_the_shared_fields():
    head_cache = HeadCache()
    before, unlike = RequestReader(Limits(), head_cache, ORIGIN), RequestReader(Limits(), head_cache, ORIGIN)
    first = before.read(b"GET / HTTP/1.1\r\n" + CLOSING)
    head = b"POST /other HTTP/1.1\r\n" + CLOSING
    again = RequestReader(Limits(), head_cache, ORIGIN).read(head)
    assert again.lines is first.lines
    assert facts(again) == facts(parse_request(head, Limits()))
    assert again.close
    assert unlike.read(head).lines is not first.lines, "it began when nothing had been said"


def test_other_connections_do_not_replace_stored_fields():
    head_cache = HeadCache()
    reader = RequestReader(Limits(), head_cache, ORIGIN)
    first = reader.read(GET)
    RequestReader(Limits(), head_cache, ORIGIN).read(b"GET / HTTP/1.1\r\n" + CLOSING)
    assert reader.read(GET).lines is first.lines
    assert not reader.read(GET).close


def test_the_forwarded_head_is_built_once_per_client():
    head_cache = HeadCache()
    other = ClientInfo("198.51.100.3", "https")
    expected = [request_head(parse_request(GET, Limits()), origin, b"id", b"") for origin in (ORIGIN, other)]
    assert expected[0] != expected[1]
    RequestReader(Limits(), head_cache, ORIGIN).read(GET)
    heads = []
    for origin, written in zip((ORIGIN, other, ORIGIN), (*expected, expected[0]), strict=True):
        reader = RequestReader(Limits(), head_cache, origin)
        for request in (reader.read(GET), reader.read(GET)):
            heads.append(request.cached_head)
            assert request_head(request, origin, b"id", b"") == written
    assert heads[0] is heads[1]
    assert heads[2] is heads[3]
    assert RequestReader(Limits(), head_cache, ORIGIN).read(GET).cached_head is heads[4]


def test_the_forwarded_head_is_rebuilt_for_a_traced_request():
    request = reading(GET).read(GET)
    assert request.cached_head
    Tracing().begin(request)
    assert b"\ntraceparent: 00-" in request_head(request, ORIGIN, b"id", b"")


def test_changed_fields_replace_the_stored_ones():
    reader = reading(GET)
    other = b"GET / HTTP/1.1\r\nHost: b\r\n\r\n"
    read = [reader.read(other) for _ in range(STORE_EVERY + 1)]
    assert {request.host for request in read} == {b"b"}
    assert read[-1].lines is read[-2].lines
    assert reader.read(GET).host == b"shop.example"


def test_a_repeated_response_head_is_parsed_once():
    reader = ResponseReader(Limits())
    first = reader.read(OK % 1)
    assert reader.read(OK % 1) is first
    assert facts(first) == facts(parse_response(OK % 1))


@pytest.mark.parametrize(
    ("fields", "cached_head"),
    [
        (b"Date: now\r\nContent-Length: 1", True),
        (b"Content-Length: 1", False),
        (b"Date: now\r\nTransfer-Encoding: chunked", False),
        (b"Date: now", False),
        (b"Date: now\r\nContent-Length: 1\r\nConnection: close", True),
    ],
)
def test_the_head_for_clients_is_built_once(fields, cached_head):
    response = ResponseReader(Limits()).read(b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n\r\n")
    assert bool(response.cached_head) is cached_head
    if cached_head:
        how = {"chunked": False, "close": False, "version": 1, "date": b"later"}
        assert response.cached_head == response_head(response, **how)


def test_the_number_of_stored_responses_is_bounded():
    reader = ResponseReader(Limits())
    for number in range(MAX_RESPONSES * STORE_EVERY + 1):
        assert reader.read(OK % number).length == number
    assert reader.read(OK % 0) is not reader.read(OK % 0)
    assert reader.read(OK % (MAX_RESPONSES * STORE_EVERY)) is reader.read(OK % (MAX_RESPONSES * STORE_EVERY))


@pytest.mark.parametrize("head", [OK % 1 + b"x", b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"[:-2]])
def test_an_invalid_response_is_rejected_each_time(head):
    reader = ResponseReader(Limits())
    for _ in range(2):
        with pytest.raises(ProxyError):
            reader.read(head)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * MAX_HEAD + b"\r\n\r\n",
    ],
)
def test_only_short_and_clean_responses_are_stored(head):
    reader = ResponseReader(Limits())
    assert reader.read(head) is not reader.read(head)
