import pytest

from pylb.config.clients import Limits
from pylb.errors import Fault, Phase
from pylb.http1.bad_request import bad_request, bad_response, not_a_request, not_a_response
from pylb.http1.limits import MAX_RESPONSE_HEAD
from tests.every import every

LIMITS = Limits(max_target=10)


def test_an_error_names_the_side_at_fault():
    error = bad_request("why")
    assert (error.phase, error.fault, error.status, error.detail) == (Phase.REQUEST, Fault.POLICY, 400, "why")
    assert bad_request("why", 501).status == 501
    error = bad_response("why")
    assert (error.phase, error.fault, error.status) == (Phase.HEADERS, Fault.UPSTREAM, 502)


@every(
    ("head", "status", "detail"),
    [
        (b"\x16\x03\x01\x02\0\x01\0\x01", 400, "a TLS handshake on a plain HTTP port"),
        (b"PRI * HTTP/2.0\r\n\r\n", 400, "an HTTP/2 preface, expected HTTP/1.1"),
        (b"GET / HTTP/1.1\nX: \0\r\n\r\n", 400, "a bare line feed in the head"),
        (b"GET / HTTP/1.1\rX: \0\r\n\r\n", 400, "a bare carriage return in the head"),
        (b"GET / HTTP/1.1\r\nX: \0\r\n\r\n", 400, "a bare NUL in the head"),
        (b"hello\r\n\r\n", 400, "start line 'hello', expected METHOD TARGET HTTP/1.1"),
        (b"\x1b[31m\r\n\r\n", 400, "start line '\\x1b[31m', expected METHOD TARGET HTTP/1.1"),
        (b"x" * 100, 400, f"start line '{'x' * 60}'..., expected METHOD TARGET HTTP/1.1"),
        (b"GET / HTTP/2.0\r\n\r\n", 505, "version 'HTTP/2.0', expected HTTP/1.1"),
        (b"GET / HTTP/1.7\r\n\r\n", 505, "version 'HTTP/1.7', expected HTTP/1.0 or HTTP/1.1"),
        (b"GET /0123456789\x01 HTTP/1.1\r\n\r\n", 414, "a target of 12 bytes, expected at most 10"),
        (b"GET /# HTTP/1.1\r\n\r\n", 400, "target '/#', expected visible characters and no #"),
        (b"GET / HTTP/1.1\r\n X: y\r\n\r\n", 400, "a folded field line (obs-fold)"),
        (b"GET / HTTP/1.1\r\nX\r\n\r\n", 400, "field line 'X', expected NAME: VALUE"),
        (b"GET / HTTP/1.1\r\n: y\r\n\r\n", 400, "a field without a name"),
        (b"GET / HTTP/1.1\r\nX : y\r\n\r\n", 400, "white space between the field name 'X' and its colon"),
        (b"GET / HTTP/1.1\r\nX Y: y\r\n\r\n", 400, "field name 'X Y', expected a token"),
        (b"GET / HTTP/1.1\r\nA: b\r\nX: \x01\r\n\r\n", 400, "a control character in the field 'X'"),
    ],
)
def test_the_first_defect_of_a_request_is_named(head, status, detail):
    error = not_a_request(head, LIMITS)
    assert (error.status, error.detail) == (status, detail)


@pytest.mark.parametrize(
    ("head", "detail"),
    [
        (b"HTTP/2 200\r\nX\r\n\r\n", "status line 'HTTP/2 200', expected HTTP/1.1 NNN REASON"),
        (b"", "status line '', expected HTTP/1.1 NNN REASON"),
        (b"HTTP/1.1 200 OK\r\nX\r\n\r\n", "field line 'X', expected NAME: VALUE"),
        (b"x" * (MAX_RESPONSE_HEAD + 1), "a response head of 65537 bytes, expected at most 65536"),
    ],
)
def test_the_first_defect_of_a_response_is_named(head, detail):
    error = not_a_response(head)
    assert (error.status, error.detail) == (502, detail)
