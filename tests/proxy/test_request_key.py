"""What is read of a request as its key."""

import pytest

from pylb.config.clients import Limits
from pylb.http1.headers import ClientInfo
from pylb.http1.parser import parse_request
from pylb.proxy.request_key import key_reader

CLIENT = ClientInfo("192.0.2.7", "http")


def key(hash_on, lines=b"", target=b"/", client=CLIENT):
    head = b"GET %b HTTP/1.1\r\nHost: a\r\n%b\r\n" % (target, lines)
    return key_reader(hash_on)(client, parse_request(head, Limits()))


def test_a_client_is_its_address_and_of_ipv6_its_network():
    assert key("client") == bytes([192, 0, 2, 7])
    one = key("client", client=ClientInfo("2001:db8:1:2::1", "http"))
    assert one == key("client", client=ClientInfo("2001:db8:1:2:ffff::9", "http"))
    assert one != key("client", client=ClientInfo("2001:db8:1:3::1", "http"))
    assert key("client", client=ClientInfo("", "http")) is None


def test_behind_a_trusted_proxy_the_client_is_the_one_that_it_names():
    proxy = ClientInfo("10.0.0.1", "http", proxies={"10.0.0.1"})
    assert key("client", b"X-Forwarded-For: 203.0.113.5\r\n", client=proxy) == bytes([203, 0, 113, 5])
    assert key("client", b"X-Forwarded-For: 203.0.113.5\r\n") == bytes([192, 0, 2, 7])


@pytest.mark.parametrize(
    ("lines", "value"),
    [
        (b"X-User: 7\r\n", b"7"),
        (b"x-user:\t 7 \r\nX-User: 8\r\n", b"7"),
        (b"X-User:\r\n", None),
        (b"X-User-Id: 7\r\n", None),
        (b"", None),
    ],
)
def test_a_header_is_its_first_value(lines, value):
    assert key("header:X-User", lines) == value


@pytest.mark.parametrize(
    ("lines", "value"),
    [
        (b"Cookie: s=abc\r\n", b"abc"),
        (b"cookie: a=1; s=abc; b=2\r\n", b"abc"),
        (b"Cookie: as=1;s=abc\r\n", b"abc"),
        (b'Cookie: s="abc"\r\n', b"abc"),
        (b"Cookie: a=1\r\nCookie: s=abc\r\n", b"abc"),
        (b"Cookie: s=abc; s=def\r\n", b"abc"),
        (b"Cookie: a=1; s=abc; s=def\r\n", b"abc"),
        (b"Cookie: as=1; xs=2\r\n", None),
        (b"Cookie: S=abc\r\n", None),
        (b"Cookie: s=; b=1\r\n", None),
        (b"X-Cookie: s=abc\r\n", None),
    ],
)
def test_a_cookie_is_its_value(lines, value):
    assert key("cookie:s", lines) == value


@pytest.mark.parametrize(
    ("target", "value"),
    [
        (b"/?id=7", b"7"),
        (b"/?a=1&id=7&id=8", b"7"),
        (b"/id=7", None),
        (b"/?xid=7", None),
        (b"/?id=", None),
        (b"/?id", None),
    ],
)
def test_a_parameter_is_its_first_value(target, value):
    assert key("query:id", target=target) == value


def test_path_and_target():
    assert key("path", target=b"/a?b") == b"/a"
    assert key("target", target=b"/a?b") == b"/a?b"


def test_names_are_not_patterns():
    assert key("query:a.c", target=b"/?abc=1&a.c=2") == b"2"
    assert key("cookie:a.c", b"Cookie: abc=1; a.c=2\r\n") == b"2"
