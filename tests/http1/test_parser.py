"""Limits, and what no wire case shows; what heads mean is in the corpus."""

from contextlib import suppress

import pytest

from pylb.config.clients import Limits
from pylb.errors import ProxyError
from pylb.http1.limits import MAX_RESPONSE_HEAD
from pylb.http1.parser import check_beginning, check_response_beginning, parse_request, parse_response
from tests.every import every

GET = b"GET / HTTP/1.1\r\nHost: shop.example\r\n"
OK = b"HTTP/1.1 200 OK\r\n"


def bad_request(call, *arguments):
    with pytest.raises(ProxyError) as caught:
        call(*arguments)
    return caught.value.status


@pytest.mark.parametrize("last", [b"X: y\r\n", b"TE: trailers\r\n", b"Connection: keep-alive\r\n"])
def test_the_number_of_fields_is_limited(last):
    limits = Limits(max_headers=20)
    assert parse_request(GET + b"a:\r\n" * 18 + last + b"\r\n", limits)
    assert bad_request(parse_request, GET + b"a:\r\n" * 19 + last + b"\r\n", limits) == 431
    assert parse_response(OK + b"a:\r\n" * 19 + last + b"\r\n", limits)
    assert bad_request(parse_response, OK + b"a:\r\n" * 20 + last + b"\r\n", limits) == 502


def test_responses_have_the_default_limit_of_requests():
    assert parse_response(OK + b"a:\r\n" * 100 + b"\r\n")
    assert bad_request(parse_response, OK + b"a:\r\n" * 101 + b"\r\n") == 502


@pytest.mark.parametrize("form", [b"GET %b HTTP/1.1", b"BREW %b HTTP/1.1"])
def test_the_length_of_a_target_is_limited(form):
    limits = Limits(max_target=10)
    head = form + b"\r\nHost: a\r\n\r\n"
    assert parse_request(head % b"/123456789", limits)
    assert bad_request(parse_request, head % b"/1234567890", limits) == 414


@pytest.mark.parametrize("special", [b"", b"TE: x\r\n"])
def test_the_length_of_a_response_head_is_limited(special):
    filled = OK + special + b"X: %b\r\n\r\n"
    room = MAX_RESPONSE_HEAD - len(filled % b"")
    assert parse_response(filled % (b"x" * room))
    assert bad_request(parse_response, filled % (b"x" * (room + 1))) == 502


@every(
    "data",
    [b"G", b"GET / HTTP/1.1", b"GET / HTTP/1.1\r", b"GET / HTTP/1.1\r\nHost: a\r\n", b"!#", b"GET /\xff"],
)
def test_a_valid_partial_request_is_accepted(data):
    scanned = 0
    for end in range(1, len(data) + 1):
        scanned = check_beginning(data[:end], Limits(), scanned)
    assert scanned == len(data.removesuffix(b"\r"))


@every(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\0\x01", 400),
        (b" GET", 400),
        (b"\0", 400),
        (b"\xff", 400),
        (b"\r\n", 400),
        (b"GET / HTTP/1.1\n", 400),
        (b"GET / HTTP/1.1\n\r", 400),
        (b"GET / HTTP/1.1\rH", 400),
        (b"GET / HTTP/1.1\r\r", 400),
        (b"GET / HTTP/1.1\r\nX: \0", 400),
        (b"\r\n\r\n\0\r\nQUIT\n", 400),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 100, 431),
        (b"GET /" + b"x" * 100, 414),
        (b"GET /" + b"x" * 100 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET /" + b"x" * 30 + b" HTTP/1.1\r\nX: " + b"x" * 70, 431),
    ],
)
def test_an_invalid_partial_request_is_rejected_immediately(data, status):
    limits = Limits(max_head=100, max_target=50)
    assert bad_request(check_beginning, data, limits) == status
    for cut in range(1, len(data)):
        with suppress(ProxyError):  # It may be enough to be refused.
            scanned = check_beginning(data[:cut], limits)
            assert cut - 1 <= scanned <= cut
            assert bad_request(check_beginning, data, limits, scanned) == status


WHOLE = b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 2\r\n\r"


@pytest.mark.parametrize("data", [WHOLE, b"HTTP/1.0 404\r\n", b"HTTP/1.1 200 \r", b"HTTP/1.1 103 \xe9"])
def test_a_valid_partial_response_is_accepted(data):
    for length in range(1, len(data) + 1):
        check_response_beginning(data[:length])


@every(
    "data",
    [
        b"SSH-",
        b"\r",
        b"HTTP/2",
        b"HTTP/1.1 abc",
        b"HTTP/1.1 abc\n\n",
        b"HTTP/1.1  200",
        b"HTTP/1.1 20\r",
        b"HTTP/1.1\r\n",
        b"HTTP/1.1 2000",
        b"HTTP/1.1 600",
        b"HTTP/1.1 200 OK\n",
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
        b"HTTP/1.1 200 OK\r\nX: y\n",
        b"HTTP/1.1 200 OK\r\nX: y\r\n\n",
        b"HTTP/1.1 200 OK\r\nX: \ry",
        b"HTTP/1.1 200 OK\r\nX: \0",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * MAX_RESPONSE_HEAD,
    ],
)
def test_an_invalid_partial_response_is_rejected_immediately(data):
    assert bad_request(check_response_beginning, data) == 502


def test_attributes_of_a_simple_request_have_defaults():
    request = parse_request(GET + b"\r\n", Limits())
    assert (request.host, request.length, request.chunked, request.close) == (
        b"shop.example",
        0,
        False,
        False,
    )
    assert (request.expect, request.upgrade, request.trailers) == (False, b"", False)
    assert dict(request.fields) == {}


def test_forwarding_fields_are_parsed():
    request = parse_request(
        GET + b"X-Forwarded-For: a\r\nx-request-id:\tb \r\nX-Forwarded-For: c\r\n\r\n", Limits()
    )
    assert request.fields == {b"host": b"shop.example", b"x-forwarded-for": b"a, c", b"x-request-id": b"b"}


def test_the_lines_contain_the_fields_for_the_log():
    request = parse_request(GET + b"Connection: keep-alive\r\nUser-Agent: x\r\n\r\n", Limits())
    assert request.lines == b"\nHost: shop.example\r\nUser-Agent: x\r\n"
    assert request.clean


@every(
    ("line", "authenticates"),
    [
        (b"Authorization: NTLM TlRMTVNTUAAB", True),
        (b"authorization:Negotiate YIIJ", True),
        (b"AUTHORIZATION: \t nEGOtiate YIIJ", True),
        (b"Authorization: Nego2 YIIJ", True),
        (b"Authorization: Kerberos YIIJ", True),
        (b"Authorization: CredSSP YIIJ", True),
        (b"Authorization: Basic YTpi", False),
        (b"Authorization: Bearer NTLM", False),
        (b"Authorization:", False),
        (b"X-Authorization: NTLM x", False),
        (b"Authorizations: NTLM x", False),
        (b"A: NTLM x", False),
    ],
)
@every("around", [b"%b\r\n", b"Accept: a\r\n%b\r\nConnection: keep-alive\r\n", b"TE: x\r\n%b\r\n"])
def test_connection_authentication_is_detected_by_its_scheme(line, authenticates, around):
    request = parse_request(GET + around % line + b"\r\n", Limits())
    assert request.authenticates_connection is authenticates
    assert b"\n" + line in request.lines


def test_connection_authentication_is_detected_among_several_fields():
    lines = b"Authorization: Basic YTpi\r\nAuthorization: NTLM x\r\n"
    assert parse_request(GET + lines + b"\r\n", Limits()).authenticates_connection
