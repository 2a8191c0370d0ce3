import pytest

from pylb.routes.actions import (
    Redirect,
    Response,
    Verb,
    read_field_action,
    read_networks,
    read_redirect,
    read_response,
    read_upstream_host,
)
from tests.every import every

OWN = [
    *("Host", "Connection", "Content-Length", "Transfer-Encoding", "Keep-Alive", "TE", "Trailer", "Upgrade"),
    *("Expect", "Proxy", "Via", "X-Forwarded-For", "X_Forwarded_Proto", "x-real-ip", "Forwarded"),
    *("X-Request-ID", "X-Client-Cert-Subject", "Content_Length"),
]


@every("name", OWN)
@every("verb", Verb)
def test_fields_that_pylb_writes_itself_cannot_be_changed(name, verb):
    with pytest.raises(ValueError, match="pylb writes itself"):
        read_field_action(verb, name, None if verb is Verb.REMOVE else "x")


@every("name", ["Connection", "content-length", "Transfer-Encoding", "Date", "Upgrade"])
def test_nor_can_those_of_a_response(name):
    with pytest.raises(ValueError, match="pylb writes itself"):
        read_field_action(Verb.SET, name, "x", response=True)
    assert read_field_action(Verb.SET, "Server", "x", response=True).name == "Server"


@every("url", ["/", "/docs/", "$path", "/new$path", "https://$host$path", "http://a.example:8080/x?y=1"])
def test_redirects(url):
    assert read_redirect(f"301,{url}") == Redirect(301, url)


@every(
    "text",
    [
        "",
        "301",
        "/x",
        "200,/x",
        "399,/x",
        "301,",
        "301,//evil.example",
        "301,javascript:x",
        "301,/$x",
        "301,/a b",
        "301,/\r\nX: y",
        "301,ftp://a/",
        "301,https://a b/",
        "301,a.example",
    ],
)
def test_what_is_no_redirect(text):
    with pytest.raises(ValueError, match=r"is no redirect|is no URL"):
        read_redirect(text)


def test_responses():
    assert read_response("404,no such page") == Response(404, "no such page")
    assert read_response("200") == Response(200)


@every("text", ["", "100", "204", "304,x", "600", "404,a\nb", "404," + "a" * 1025, "x,y"])
def test_what_is_no_response(text):
    with pytest.raises(ValueError, match=r"is no response|is no text"):
        read_response(text)


def test_networks():
    assert read_networks("10.0.0.0/8,2001:db8::1") == ("10.0.0.0/8", "2001:db8::1")


@every("text", ["", "10.0.0.0/8,", "ip:10.0.0.0/8", "10.0.0.1/8", "unix", "10.0.0.0/8 "])
def test_one_network_that_is_wrong_makes_all_wrong(text):
    with pytest.raises(ValueError, match="is no network"):
        read_networks(text)


def test_too_many_networks():
    with pytest.raises(ValueError, match="at most 256"):
        read_networks(",".join(["10.0.0.1"] * 257))


@every("text", ["dst", "shop.example.com", "shop.example.com:8080", "[2001:db8::1]:80"])
def test_hosts_for_backends(text):
    assert read_upstream_host(text) == text


@every("text", ["", "*.a", "a:", "a b", "a\r\nX: y", "a:123456"])
def test_what_is_no_host_for_backends(text):
    with pytest.raises(ValueError, match="is no host"):
        read_upstream_host(text)
