"""The fields in which proxies describe a client, and their precedence."""

import pytest

from pylb.http1.forwarded import MAX_HOPS, Claims, Hop, element, forwarded_hops, port_number, read_claims
from tests.every import every


def nodes(claims):
    return [hop.node for hop in claims.hops]


def test_a_chain_has_canonical_addresses():
    claims = read_claims(
        {b"x-forwarded-for": b"198.51.100.1:4444,[2001:DB8::7]:1 ,\tunknown, ,::ffff:10.0.0.1"}
    )
    assert nodes(claims) == [b"198.51.100.1", b"2001:db8::7", b"unknown", b"10.0.0.1"]
    assert [hop.address for hop in claims.hops] == ["198.51.100.1", "2001:db8::7", "", "10.0.0.1"]


def test_a_long_chain_is_parsed_from_its_end():
    members = [b"10.0.0.%d:1" % number for number in range(MAX_HOPS + 3)]
    claims = read_claims({b"x-forwarded-for": b", ".join(members)})
    assert claims.earlier == b"10.0.0.0:1, 10.0.0.1:1, 10.0.0.2:1"
    assert len(claims.hops) == MAX_HOPS
    assert claims.hops[-1].address == f"10.0.0.{MAX_HOPS + 2}"


def test_without_fields_there_are_no_claims():
    assert read_claims({}) == read_claims({b"x-forwarded-for": b"", b"x-real-ip": b""}) == Claims()


def test_x_real_ip_is_a_chain_of_one():
    assert nodes(read_claims({b"x-real-ip": b"203.0.113.9:5"})) == [b"203.0.113.9"]
    both = {b"x-real-ip": b"10.0.0.1", b"x-forwarded-for": b"203.0.113.9"}
    assert nodes(read_claims(both)) == [b"203.0.113.9"]


@pytest.mark.parametrize(
    "name",
    [b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-port", b"x-real-ip"],
)
def test_forwarded_is_used_only_without_other_fields(name):
    claims = {b"forwarded": b"for=203.0.113.9"}
    assert nodes(read_claims({**claims, name: b""})) == [b"203.0.113.9"]
    assert b"203.0.113.9" not in nodes(read_claims({**claims, name: b"443"}))


@every(
    ("value", "hops"),
    [
        (b"for=203.0.113.9", [Hop(b"203.0.113.9", "203.0.113.9")]),
        (b"For=203.0.113.9;PROTO=HTTPS", [Hop(b"203.0.113.9", "203.0.113.9", b"https")]),
        (
            b'by=10.0.0.1 ; for="[2001:db8::7]:4711" ; host=a:80',
            [Hop(b"2001:db8::7", "2001:db8::7", b"", b"a:80")],
        ),
        (
            b"for=1.2.3.4:80; proto=http; by=10.0.0.1; httpproto=http/1.1",
            [Hop(b"1.2.3.4", "1.2.3.4", b"http")],
        ),
        (b'for="203.0.113.9:_port"', [Hop(b"unknown", "")]),
        (b"for=_hidden;proto=http", [Hop(b"_hidden", "", b"http")]),
        (b"proto=https", [Hop(b"unknown", "", b"https")]),
        (b'for=unknown;proto="a b";host="a b"', [Hop(b"unknown", "")]),
        (b"xfor=10.0.0.1;for=10.0.0.2", [Hop(b"10.0.0.2", "10.0.0.2")]),
        (b'ext="a, for=10.0.0.1"', [Hop(b"unknown", "")]),
        (b"for=10.0.0.1,for=10.0.0.2", [Hop(b"10.0.0.1", "10.0.0.1"), Hop(b"10.0.0.2", "10.0.0.2")]),
        (b'for="10.0.0.1, for=10.0.0.2', [Hop(b"10.0.0.2", "10.0.0.2")]),
        (b'for="10.0.0.1, for="[::1]:80"', [Hop(b"::1", "::1")]),
        (b"for=10.0.0.1;;, for=10.0.0.2", [Hop(b"10.0.0.2", "10.0.0.2")]),
        (b'for="10.0.0.1\\"', []),
        (b"", []),
        (b"203.0.113.9", []),
    ],
)
def test_forwarded_is_parsed_from_its_end(value, hops):
    assert forwarded_hops(value) == tuple(hops)


def test_a_long_forwarded_field_is_parsed_from_its_end():
    assert [hop.address for hop in forwarded_hops(b"for=10.0.0.1," * 999 + b"for=10.0.0.2")][-2:] == [
        "10.0.0.1",
        "10.0.0.2",
    ]
    assert len(forwarded_hops(b"for=10.0.0.1," * 999 + b"for=10.0.0.2")) == MAX_HOPS
    assert forwarded_hops(b"for=10.0.0.1;x=" + b"y" * 2000) == ()


@pytest.mark.parametrize(
    ("hop", "written"),
    [
        (Hop(b"10.0.0.1", "10.0.0.1"), b"for=10.0.0.1"),
        (Hop(b"2001:db8::7", "2001:db8::7", b"https", b"a:1"), b'for="[2001:db8::7]";proto=https;host="a:1"'),
        (Hop(b"_hidden", ""), b"for=_hidden"),
        (Hop(b"", ""), b"for=unknown"),
        (Hop(b'_a";for=10.0.0.1', ""), b"for=unknown"),
    ],
)
def test_a_hop_is_formatted_as_a_valid_element(hop, written):
    assert element(hop) == written
    (read,) = forwarded_hops(written)
    assert read.address == hop.address


@every(
    ("digits", "port"),
    [
        (b"443", 443),
        (b"0080", 80),
        (b"65535", 65535),
        (b"65536", 0),
        (b"0", 0),
        (b"", 0),
        (b"+1", 0),
        (b"1" * 5000, 0),
    ],
)
def test_a_port_is_valid_or_zero(digits, port):
    assert port_number(digits) == port
