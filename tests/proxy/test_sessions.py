"""How a session is carried: the cookie, the header, and when a response has it."""

import pytest

from pylb.config.clients import Limits
from pylb.http1.headers import ClientInfo
from pylb.http1.parser import parse_request, parse_response
from pylb.policy.backend import Backend
from pylb.policy.balance.sessions import token_of
from pylb.proxy.sessions import Sessions
from tests.policy.backends import endpoint

SECRET = b"a key of the test"
BACKEND = Backend(endpoint(1))
TOKEN = token_of(SECRET, "web", BACKEND.name)
OK = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"


def issued(sticky, key=None, scheme="http", max_age=0.0):
    """The lines of a response for a request with this token."""
    response = parse_response(OK)
    client = ClientInfo("192.0.2.7", scheme)
    request = parse_request(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", Limits())
    answer = Sessions(sticky, "web", SECRET, max_age).issue(response, client, request, BACKEND, key)
    assert response.lines == parse_response(OK).lines
    assert answer.length == 0
    return answer.lines


@pytest.mark.parametrize(
    ("scheme", "max_age", "attributes"),
    [
        ("http", 0, b"; Path=/; HttpOnly; SameSite=Lax\r"),
        ("https", 0, b"; Path=/; HttpOnly; SameSite=Lax; Secure\r"),
        ("http", 3600, b"; Path=/; HttpOnly; SameSite=Lax; Max-Age=3600\r"),
    ],
)
def test_a_new_session_is_a_cookie_beside_those_of_the_backend(scheme, max_age, attributes):
    lines = issued("cookie:sid", None, scheme, max_age)
    assert lines.startswith(b"\nSet-Cookie: sid=%b%b\nSet-Cookie: a=b\r" % (TOKEN, attributes))


def test_a_header_is_for_clients_without_cookies():
    assert issued("header:X-Session").startswith(b"\nX-Session: %b\r\n" % TOKEN)


@pytest.mark.parametrize(("key", "again"), [(TOKEN, False), (b"forged", True), (None, True)])
def test_a_response_has_the_token_only_if_the_client_has_another(key, again):
    assert (TOKEN in issued("cookie:sid", key)) is again


def test_the_token_of_a_request_is_read():
    request = parse_request(b"GET / HTTP/1.1\r\nHost: a\r\nCookie: x=1; sid=%b\r\n\r\n" % TOKEN, Limits())
    client = ClientInfo("192.0.2.7", "http")
    assert Sessions("cookie:sid", "web", SECRET, 0.0).read_key(client, request) == TOKEN
    assert Sessions("header:X-Session", "web", SECRET, 0.0).read_key(client, request) is None
