import pytest

from pylb.http1.headers import ForwardedOrigin, Origin


def test_what_a_backend_is_told_of_a_client():
    assert Origin("192.0.2.7", "https", 443).lines(b"shop.example", {}) == (
        b"X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\n"
        b"X-Real-IP: 192.0.2.7\r\nX-Forwarded-Host: shop.example\r\n"
    )


def test_no_host_is_not_told():
    assert b"X-Forwarded-Host" not in Origin("192.0.2.7", "http", 80).lines(b"", {})


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::1"),
        ("::1", "::1"),
    ],
)
def test_an_address_is_one_that_other_hosts_understand(address, told):
    origin = Origin(address, "http", 80)
    assert origin.address == told
    assert origin.lines(b"", {}).startswith(b"X-Forwarded-For: %b\r\n" % told.encode())


def test_a_peer_on_a_unix_socket_has_no_address():
    assert Origin("", "http", 0).lines(b"", {}) == b"X-Forwarded-Proto: http\r\nX-Forwarded-Port: 0\r\n"
    trusted = Origin("", "http", 0, trusted=True)
    assert trusted.lines(b"", {b"x-forwarded-for": b"203.0.113.5"}).startswith(
        b"X-Forwarded-For: 203.0.113.5\r\n"
    )


def test_a_peer_that_is_not_trusted_is_not_believed():
    said = {b"x-forwarded-for": b"127.0.0.1", b"x-forwarded-host": b"evil.example", b"x-request-id": b"1"}
    origin = Origin("192.0.2.7", "http", 80)
    assert origin.lines(b"shop.example", said) == origin.lines(b"shop.example", {})
    assert origin.request_id(said) == b""


@pytest.mark.parametrize(
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
    origin = Origin("192.0.2.7", "http", 80, trusted=True)
    assert origin.request_id({b"x-request-id": given}) == (given if kept else b"")


def test_a_certificate_is_told_of_but_for_a_trusted_peer_whose_own_it_is():
    line = b"X-Client-Cert-Subject: CN=alice\r\n"
    assert Origin("192.0.2.7", "https", 443, certificate=line).lines(b"", {}).endswith(line)
    trusted = Origin("192.0.2.7", "https", 443, trusted=True, certificate=line)
    assert line not in trusted.lines(b"", {b"host": b"a"})


def forwarded(origin, host, fields):
    *_, line = origin.lines(host, fields).removesuffix(b"\r\n").split(b"\r\n")
    return line


@pytest.mark.parametrize(
    ("address", "node"),
    [
        ("192.0.2.7", b"192.0.2.7"),
        ("2001:db8::1", b'"[2001:db8::1]"'),
        ("fe80::1%eth0", b'"[fe80::1]"'),
        ("", b"unknown"),
    ],
)
def test_the_standard_way_to_say_where_a_client_is(address, node):
    origin = ForwardedOrigin(address, "https", 443)
    assert forwarded(origin, b"a:443", {}) == b'Forwarded: for=%b;proto=https;host="a:443"' % node
    assert forwarded(origin, b"", {}) == b"Forwarded: for=%b;proto=https" % node
    assert origin.lines(b"", {}).startswith(Origin(address, "https", 443).lines(b"", {}))


def test_the_standard_chain_grows_only_if_it_is_believed():
    said = {b"forwarded": b"for=203.0.113.5"}
    assert (
        forwarded(ForwardedOrigin("192.0.2.7", "http", 80), b"", said)
        == b"Forwarded: for=192.0.2.7;proto=http"
    )
    assert forwarded(ForwardedOrigin("192.0.2.7", "http", 80, trusted=True), b"", said) == (
        b"Forwarded: for=203.0.113.5, for=192.0.2.7;proto=http"
    )


def test_a_chain_that_grows_is_not_sent_twice():
    line = b"\nForwarded: for=203.0.113.5\r\n"
    assert ForwardedOrigin("192.0.2.7", "http", 80, trusted=True).strip.sub(b"", line) == b"\n"
    assert Origin("192.0.2.7", "http", 80, trusted=True).strip.sub(b"", line) == line
