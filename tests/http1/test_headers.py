import pytest

from pylb.http1.headers import ClientInfo, ForwardedClientInfo
from pylb.http1.parser import Request
from tests.every import every

PROXIES = {"192.0.2.7", "10.0.0.2", ""}


def request(host=b"shop.example", fields=None):
    asked = Request(b"GET", b"/", 1, b"\n")
    asked.host = host
    asked.fields = fields or {}
    return asked


def forwarded(origin, host=b"shop.example", fields=None):
    """Return the fields that a backend receives, by name."""
    asked = request(host, fields)
    lines = origin.lines(asked)
    assert origin.identify(asked).lines == lines
    assert lines.endswith(b"\r\n")
    return dict(line.split(b": ", 1) for line in lines[:-2].split(b"\r\n"))


def test_backends_receive_the_forwarding_fields():
    assert ClientInfo("192.0.2.7", "https").identify(request()).lines == (
        b"X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\n"
        b"X-Real-IP: 192.0.2.7\r\nX-Forwarded-Host: shop.example\r\n"
    )


def test_without_a_host_there_is_no_forwarded_host():
    assert b"X-Forwarded-Host" not in forwarded(ClientInfo("192.0.2.7", "http"), b"")


@every(
    ("host", "scheme", "port"),
    [
        (b"shop.example", "http", b"80"),
        (b"shop.example", "https", b"443"),
        (b"shop.example:8443", "https", b"8443"),
        (b"[2001:db8::1]:8080", "http", b"8080"),
        (b"[2001:db8::1]", "https", b"443"),
        (b"[2001:db8::8080]", "http", b"80"),
        (b"shop.example:", "https", b"443"),
        (b"shop.example:0", "http", b"80"),
        (b"shop.example:65536", "http", b"80"),
        (b"", "https", b"443"),
    ],
)
def test_the_port_is_that_of_host_or_scheme(host, scheme, port):
    assert forwarded(ClientInfo("192.0.2.7", scheme), host)[b"X-Forwarded-Port"] == port


def test_requests_of_one_connection_may_have_different_hosts():
    origin = ClientInfo("192.0.2.7", "http")
    for host, port in ((b"a:1", b"1"), (b"a:2", b"2"), (b"a:2", b"2"), (b"a", b"80"), (b"a:1", b"1")):
        fields = forwarded(origin, host)
        assert (fields[b"X-Forwarded-Host"], fields[b"X-Forwarded-Port"]) == (host, port)


def test_the_lines_are_built_once_per_host():
    origin = ClientInfo("192.0.2.7", "http")
    assert origin.lines(request()) is origin.lines(request())


def test_forwarding_fields_are_parsed_once_per_request():
    origin = ClientInfo("192.0.2.7", "http", proxies=PROXIES)
    asked = request(fields={b"x-forwarded-for": b"203.0.113.5"})
    assert origin.identify(asked) is origin.identify(asked)


def test_a_peer_on_a_unix_socket_has_no_address():
    lines = ClientInfo("", "http").identify(request(b"")).lines
    assert lines == b"X-Forwarded-Proto: http\r\nX-Forwarded-Port: 80\r\n"
    fields = forwarded(ClientInfo("", "http", proxies=PROXIES), fields={b"x-forwarded-for": b"203.0.113.5"})
    assert fields[b"X-Forwarded-For"] == fields[b"X-Real-IP"] == b"203.0.113.5"


def test_fields_of_an_untrusted_peer_are_ignored():
    claims = {
        b"x-forwarded-for": b"127.0.0.1",
        b"x-forwarded-host": b"evil.example",
        b"x-forwarded-port": b"1",
        b"forwarded": b"for=127.0.0.1",
        b"x-request-id": b"1",
    }
    origin = ClientInfo("192.0.2.7", "http")
    assert forwarded(origin, fields=claims) == forwarded(origin)
    assert origin.request_id(request(fields=claims)) == b""


@every(
    ("peer", "chain", "client"),
    [
        ("192.0.2.7", b"203.0.113.9", "203.0.113.9"),
        ("192.0.2.7", b"203.0.113.9:51008, 10.0.0.2", "203.0.113.9"),
        ("192.0.2.7", b"6.6.6.6, 203.0.113.9, ::ffff:10.0.0.2", "203.0.113.9"),
        ("192.0.2.7", b"6.6.6.6, [2001:db8::7]:51008", "2001:db8::7"),
        ("192.0.2.7", b"10.0.0.2, 192.0.2.7", "10.0.0.2"),
        ("192.0.2.7", b"6.6.6.6, unknown", "192.0.2.7"),
        ("192.0.2.7", b"", "192.0.2.7"),
        ("203.0.113.9", b"6.6.6.6", "203.0.113.9"),
    ],
)
def test_the_client_is_the_last_untrusted_address_in_every_field(peer, chain, client):
    for claims in ({b"x-forwarded-for": chain}, {b"x-forwarded-for": chain, b"x-real-ip": b"6.6.6.6"}):
        if not chain and b"x-real-ip" in claims:
            continue
        origin = ClientInfo(peer, "http", proxies=PROXIES)
        assert origin.identify(request(fields=claims)).client == client
        assert forwarded(origin, fields=claims)[b"X-Real-IP"] == client.encode()


@every(
    ("claims", "proto", "port", "host"),
    [
        ({b"x-forwarded-proto": b"https"}, b"https", b"443", b"shop.example:8080"),
        ({b"x-forwarded-proto": b"HTTPS", b"x-forwarded-host": b"a"}, b"https", b"443", b"a"),
        ({b"x-forwarded-proto": b"wss", b"x-forwarded-host": b"a"}, b"wss", b"443", b"a"),
        ({b"x-forwarded-proto": b"https, http", b"x-forwarded-host": b"a"}, b"https, http", b"443", b"a"),
        ({b"x-forwarded-port": b"8443"}, b"http", b"8443", b"shop.example:8080"),
        ({b"x-forwarded-port": b"0"}, b"http", b"8080", b"shop.example:8080"),
        ({b"x-forwarded-port": b"443, 80"}, b"http", b"8080", b"shop.example:8080"),
        ({b"forwarded": b"for=1.2.3.4;proto=https;host=a"}, b"https", b"443", b"a"),
        ({b"forwarded": b"for=1.2.3.4;proto=https"}, b"https", b"8080", b"shop.example:8080"),
        ({b"forwarded": b"for=_id;proto=https;host=a"}, b"https", b"443", b"a"),
        ({b"forwarded": b"proto=https;host=a, for=6.6.6.6"}, b"http", b"8080", b"shop.example:8080"),
        ({b"forwarded": b"for=1.2.3.4;proto=https;host=a, for=10.0.0.2;proto=http"}, b"https", b"443", b"a"),
    ],
)
def test_scheme_port_and_host_are_taken_from_a_trusted_peer(claims, proto, port, host):
    if claims == {b"x-forwarded-proto": b"https"}:
        port = b"8080"  # The host that the client asked for has it.
    fields = forwarded(ClientInfo("192.0.2.7", "http", proxies=PROXIES), b"shop.example:8080", claims)
    assert fields[b"X-Forwarded-Proto"] == proto
    assert (fields[b"X-Forwarded-Port"], fields[b"X-Forwarded-Host"]) == (port, host)


@every(
    ("given", "kept"),
    [
        (b"0af7651916cd43dd8448eb211c80319c", True),
        (b"a-b_c.d~e+f/g=h:i@j", True),
        (b"x" * 128, True),
        (b"x" * 129, False),
        (b"", False),
        (b"a b", False),
        (b'a"b', False),
        (b"a, b", False),
        (b"a\x1b[31m", False),
        (b"caf\xc3\xa9", False),
        (b"a\\b", False),
    ],
)
def test_a_valid_request_id_is_kept(given, kept):
    origin = ClientInfo("192.0.2.7", "http", proxies=PROXIES)
    assert origin.request_id(request(fields={b"x-request-id": given})) == (given if kept else b"")


def test_certificate_fields_are_sent_except_for_a_trusted_peer():
    line = b"X-Client-Cert-Subject: CN=alice\r\n"
    origin = ClientInfo("192.0.2.7", "https", certificate=line)
    assert forwarded(origin)[b"X-Client-Cert-Subject"] == b"CN=alice"
    trusted = ClientInfo("192.0.2.7", "https", proxies=PROXIES, certificate=line)
    assert b"X-Client-Cert-Subject" not in forwarded(trusted, fields={b"host": b"a"})


@pytest.mark.parametrize(
    ("address", "node"),
    [("192.0.2.7", b"192.0.2.7"), ("2001:db8::1", b'"[2001:db8::1]"'), ("", b"unknown")],
)
def test_a_forwarded_element_is_added(address, node):
    origin = ForwardedClientInfo(address, "https")
    fields = forwarded(origin, b"a:443")
    assert fields.pop(b"Forwarded") == b'for=%b;proto=https;host="a:443"' % node
    assert fields == forwarded(ClientInfo(address, "https"), b"a:443")
    assert forwarded(origin, b"")[b"Forwarded"] == b"for=%b;proto=https" % node


@pytest.mark.parametrize(
    ("claims", "chain"),
    [
        ({b"forwarded": b"for=203.0.113.5;by=10.0.0.2"}, b"for=203.0.113.5, "),
        ({b"forwarded": b'for="[2001:db8::7]:1";proto=https'}, b'for="[2001:db8::7]";proto=https, '),
        ({b"x-forwarded-for": b"203.0.113.5:1, unknown"}, b"for=203.0.113.5, for=unknown, "),
        ({b"x-forwarded-for": b"203.0.113.5", b"forwarded": b"for=6.6.6.6"}, b"for=203.0.113.5, "),
        ({b"forwarded": b'for="'}, b""),
    ],
)
def test_the_forwarded_chain_of_a_trusted_peer_is_extended(claims, chain):
    here = b"for=192.0.2.7;proto=http"
    assert forwarded(ForwardedClientInfo("192.0.2.7", "http"), b"", claims)[b"Forwarded"] == here
    trusted = ForwardedClientInfo("192.0.2.7", "http", proxies=PROXIES)
    assert forwarded(trusted, b"", claims)[b"Forwarded"] == chain + here


def test_a_received_forwarded_field_is_replaced():
    line = b"\nForwarded: for=203.0.113.5\r\n"
    assert ForwardedClientInfo("192.0.2.7", "http", proxies=PROXIES).strip.sub(b"", line) == b"\n"
    assert ClientInfo("192.0.2.7", "http", proxies=PROXIES).strip.sub(b"", line) == line
