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


def told(origin, host=b"shop.example", fields=None):
    """What a backend is told, by name."""
    asked = request(host, fields)
    lines = origin.lines(asked)
    assert origin.identify(asked).lines == lines
    assert lines.endswith(b"\r\n")
    return dict(line.split(b": ", 1) for line in lines[:-2].split(b"\r\n"))


def test_what_a_backend_is_told_of_a_client():
    assert ClientInfo("192.0.2.7", "https").identify(request()).lines == (
        b"X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\n"
        b"X-Real-IP: 192.0.2.7\r\nX-Forwarded-Host: shop.example\r\n"
    )


def test_no_host_is_not_told():
    assert b"X-Forwarded-Host" not in told(ClientInfo("192.0.2.7", "http"), b"")


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
def test_the_port_is_the_one_that_the_client_used(host, scheme, port):
    assert told(ClientInfo("192.0.2.7", scheme), host)[b"X-Forwarded-Port"] == port


def test_one_connection_may_ask_for_several_hosts():
    origin = ClientInfo("192.0.2.7", "http")
    for host, port in ((b"a:1", b"1"), (b"a:2", b"2"), (b"a:2", b"2"), (b"a", b"80"), (b"a:1", b"1")):
        fields = told(origin, host)
        assert (fields[b"X-Forwarded-Host"], fields[b"X-Forwarded-Port"]) == (host, port)


def test_what_is_told_is_written_once_for_requests_that_ask_the_same_host():
    origin = ClientInfo("192.0.2.7", "http")
    assert origin.lines(request()) is origin.lines(request())


def test_what_a_trusted_peer_says_is_read_once_for_each_request():
    origin = ClientInfo("192.0.2.7", "http", proxies=PROXIES)
    asked = request(fields={b"x-forwarded-for": b"203.0.113.5"})
    assert origin.identify(asked) is origin.identify(asked)


def test_a_peer_on_a_unix_socket_has_no_address():
    lines = ClientInfo("", "http").identify(request(b"")).lines
    assert lines == b"X-Forwarded-Proto: http\r\nX-Forwarded-Port: 80\r\n"
    fields = told(ClientInfo("", "http", proxies=PROXIES), fields={b"x-forwarded-for": b"203.0.113.5"})
    assert fields[b"X-Forwarded-For"] == fields[b"X-Real-IP"] == b"203.0.113.5"


def test_a_peer_that_is_not_trusted_is_not_believed():
    said = {
        b"x-forwarded-for": b"127.0.0.1",
        b"x-forwarded-host": b"evil.example",
        b"x-forwarded-port": b"1",
        b"forwarded": b"for=127.0.0.1",
        b"x-request-id": b"1",
    }
    origin = ClientInfo("192.0.2.7", "http")
    assert told(origin, fields=said) == told(origin)
    assert origin.request_id(request(fields=said)) == b""


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
def test_the_client_is_the_last_that_no_trusted_peer_is_and_every_field_says_so(peer, chain, client):
    for said in ({b"x-forwarded-for": chain}, {b"x-forwarded-for": chain, b"x-real-ip": b"6.6.6.6"}):
        if not chain and b"x-real-ip" in said:
            continue
        origin = ClientInfo(peer, "http", proxies=PROXIES)
        assert origin.identify(request(fields=said)).client == client
        assert told(origin, fields=said)[b"X-Real-IP"] == client.encode()


@every(
    ("said", "proto", "port", "host"),
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
def test_how_a_client_reached_a_trusted_peer(said, proto, port, host):
    if said == {b"x-forwarded-proto": b"https"}:
        port = b"8080"  # The host that the client asked for has it.
    fields = told(ClientInfo("192.0.2.7", "http", proxies=PROXIES), b"shop.example:8080", said)
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
def test_an_id_is_kept_if_it_is_harmless(given, kept):
    origin = ClientInfo("192.0.2.7", "http", proxies=PROXIES)
    assert origin.request_id(request(fields={b"x-request-id": given})) == (given if kept else b"")


def test_a_certificate_is_told_of_but_for_a_trusted_peer_whose_own_it_is():
    line = b"X-Client-Cert-Subject: CN=alice\r\n"
    origin = ClientInfo("192.0.2.7", "https", certificate=line)
    assert told(origin)[b"X-Client-Cert-Subject"] == b"CN=alice"
    trusted = ClientInfo("192.0.2.7", "https", proxies=PROXIES, certificate=line)
    assert b"X-Client-Cert-Subject" not in told(trusted, fields={b"host": b"a"})


@pytest.mark.parametrize(
    ("address", "node"),
    [("192.0.2.7", b"192.0.2.7"), ("2001:db8::1", b'"[2001:db8::1]"'), ("", b"unknown")],
)
def test_the_standard_way_to_say_where_a_client_is(address, node):
    origin = ForwardedClientInfo(address, "https")
    fields = told(origin, b"a:443")
    assert fields.pop(b"Forwarded") == b'for=%b;proto=https;host="a:443"' % node
    assert fields == told(ClientInfo(address, "https"), b"a:443")
    assert told(origin, b"")[b"Forwarded"] == b"for=%b;proto=https" % node


@pytest.mark.parametrize(
    ("said", "chain"),
    [
        ({b"forwarded": b"for=203.0.113.5;by=10.0.0.2"}, b"for=203.0.113.5, "),
        ({b"forwarded": b'for="[2001:db8::7]:1";proto=https'}, b'for="[2001:db8::7]";proto=https, '),
        ({b"x-forwarded-for": b"203.0.113.5:1, unknown"}, b"for=203.0.113.5, for=unknown, "),
        ({b"x-forwarded-for": b"203.0.113.5", b"forwarded": b"for=6.6.6.6"}, b"for=203.0.113.5, "),
        ({b"forwarded": b'for="'}, b""),
    ],
)
def test_the_standard_chain_is_the_one_that_is_believed_and_grows(said, chain):
    here = b"for=192.0.2.7;proto=http"
    assert told(ForwardedClientInfo("192.0.2.7", "http"), b"", said)[b"Forwarded"] == here
    trusted = ForwardedClientInfo("192.0.2.7", "http", proxies=PROXIES)
    assert told(trusted, b"", said)[b"Forwarded"] == chain + here


def test_a_chain_that_grows_is_not_sent_twice():
    line = b"\nForwarded: for=203.0.113.5\r\n"
    assert ForwardedClientInfo("192.0.2.7", "http", proxies=PROXIES).strip.sub(b"", line) == b"\n"
    assert ClientInfo("192.0.2.7", "http", proxies=PROXIES).strip.sub(b"", line) == line
