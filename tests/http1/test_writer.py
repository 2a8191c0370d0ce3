"""Dates and pylb's own answers; the heads of others are in the corpus."""

import pytest

from pylb.config.clients import Limits
from pylb.http1.parser import parse_request, parse_response
from pylb.http1.writer import (
    add_fields,
    error_response,
    hsts_fields,
    prefers_json,
    response_head,
    short_response,
    tls_url,
)

NOW = b"Sun, 22 Nov 2026 13:00:00 GMT"
DATE = b"Date: " + NOW + b"\r\n"


def sent(lines, **arguments):
    response = parse_response(b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n")
    return response_head(response, **{"chunked": False, "close": False, "version": 1, **arguments})


def test_a_response_with_an_empty_body_keeps_its_length():
    response = parse_response(b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5\r\nContent-Length: 0\r\n\r\n")
    head = response_head(response, chunked=False, close=False, version=1, date=b"today")
    assert b"\r\nContent-Length: 0\r\n" in head, "without it the client waits for the connection to close"


def test_a_response_without_a_date_receives_one():
    assert sent(b"X: y\r\n", date=NOW) == b"HTTP/1.1 200 OK\r\nX: y\r\n" + DATE + b"\r\n"
    assert sent(b"", date=NOW) == b"HTTP/1.1 200 OK\r\n" + DATE + b"\r\n"
    assert sent(b"X: y\r\n") == b"HTTP/1.1 200 OK\r\nX: y\r\n\r\n"


@pytest.mark.parametrize("line", [b"Date: x\r\n", b"date: x\r\n", b"DATE:x\r\n"])
def test_a_response_with_a_date_keeps_it(line):
    assert sent(line, date=NOW) == b"HTTP/1.1 200 OK\r\n" + line + b"\r\n"


def test_the_connection_field_states_whether_the_connection_persists():
    assert sent(b"", close=True, version=0) == b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
    assert sent(b"", version=0) == b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\n"


def test_an_error_response_has_detail_and_id_and_closes():
    assert error_response(400, "a bare NUL in the head", request_id=b"1", date=NOW) == (
        b"HTTP/1.1 400 Bad Request\r\n" + DATE + b"Content-Type: text/plain; charset=utf-8\r\n"
        b"Content-Length: 39\r\nCache-Control: no-store\r\nX-Request-ID: 1\r\nConnection: close\r\n\r\n"
        b"400 Bad Request\na bare NUL in the head\n"
    )


def body_of(answer):
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"\r\nContent-Length: %d\r\n" % len(body) in head + b"\r\n"
    return body


def test_an_error_response_without_detail_has_only_the_reason():
    answer = error_response(503, "", retry_after=5)
    assert body_of(answer) == b"503 Service Unavailable\n"
    assert b"\r\nRetry-After: 5\r\n" in answer


def test_a_405_lists_the_accepted_methods():
    answer = error_response(405, "no")
    assert b"\r\nAllow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n" in answer


def test_an_error_response_to_head_has_no_body():
    answer = error_response(404, "no", body=False)
    assert answer.endswith(b"\r\n\r\n")
    assert b"\r\nContent-Length: 17\r\n" in answer


def test_reason_phrases_are_those_of_the_rfc():
    assert error_response(413, "").startswith(b"HTTP/1.1 413 Content Too Large\r\n")
    assert error_response(414, "").startswith(b"HTTP/1.1 414 URI Too Long\r\n")


def test_an_unknown_status_has_a_generic_reason():
    assert error_response(599, "").startswith(b"HTTP/1.1 599 Error\r\n")


@pytest.mark.parametrize(
    ("accept", "json"),
    [
        (b"application/json", True),
        (b"application/problem+json, */*", True),
        (b"text/html,application/json", False),
        (b"*/*", False),
    ],
)
def test_json_is_preferred_only_if_accept_has_json_and_no_text(accept, json):
    assert prefers_json(b"\nHost: a\r\nACCEPT: " + accept + b"\r\n") is json
    assert prefers_json(b"\nX-Accept: " + accept + b"\r\n") is False


def test_an_error_response_in_json():
    answer = error_response(413, 'too "large"', request_id=b"1", as_json=True)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"\r\nContent-Type: application/json\r\nContent-Length: %d\r\n" % len(body) in head
    assert body == b'{"status": 413, "error": "Content Too Large", "detail": "too \\"large\\"", "id": "1"}\n'


@pytest.mark.parametrize(
    ("asked", "port", "url"),
    [
        (b"GET /a?b HTTP/1.1\r\nHost: a.example\r\n", 443, b"https://a.example/a?b"),
        (b"GET /a HTTP/1.1\r\nHost: a.example:8080\r\n", 8443, b"https://a.example:8443/a"),
        (b"GET / HTTP/1.1\r\nHost: [::1]:80\r\n", 443, b"https://[::1]/"),
        (b"OPTIONS * HTTP/1.1\r\nHost: a.example\r\n", 443, b"https://a.example"),
    ],
)
def test_the_url_with_tls_has_the_same_host_path_and_query(asked, port, url):
    assert tls_url(parse_request(asked + b"\r\n", Limits()), port) == url


@pytest.mark.parametrize(
    ("version", "close", "field"),
    [
        (1, False, b""),
        (1, True, b"Connection: close\r\n"),
        (0, False, b"Connection: keep-alive\r\n"),
        (0, True, b"Connection: close\r\n"),
    ],
)
def test_a_response_without_a_body_declares_if_the_connection_stays(version, close, field):
    assert short_response(308, b"Location: /\r\n", close=close, version=version, date=NOW) == (
        b"HTTP/1.1 308 Permanent Redirect\r\nLocation: /\r\n"
        + DATE
        + b"Content-Length: 0\r\n"
        + field
        + b"\r\n"
    )


@pytest.mark.parametrize("message", [b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n", error_response(503, "no")])
def test_fields_are_added_at_the_end_of_the_head(message):
    head, _, body = message.partition(b"\r\n\r\n")
    assert add_fields(message, b"X: y\r\n") == head + b"\r\nX: y\r\n\r\n" + body


def test_hsts_is_added_to_responses_of_backends_that_have_none():
    fields = hsts_fields(300)
    own = b"strict-transport-security: max-age=0\r\n"
    for lines, added in ((b"X: y\r\n", b"Strict-Transport-Security: max-age=300\r\n"), (own, b"")):
        assert fields(parse_response(b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n")) == added
    assert fields(None) == b""
