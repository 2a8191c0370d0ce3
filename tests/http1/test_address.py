"""Canonical forms of addresses from all sources."""

from pylb.http1.address import LONGEST, canonical, of_node, of_peer
from tests.every import every


@every(
    ("text", "spelling"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("::FFFF:C000:207", "192.0.2.7"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:192.0.2.7%eth0", "192.0.2.7"),
        ("::1", "::1"),
    ],
)
def test_addresses_have_a_canonical_form(text, spelling):
    assert canonical(text) == spelling
    assert of_peer(text) == spelling
    assert of_node(text) == spelling


def test_a_unix_socket_has_no_address():
    assert of_peer("") == ""


@every(
    ("node", "address"),
    [
        ("203.0.113.9:51008", "203.0.113.9"),
        ('"203.0.113.9:51008"', "203.0.113.9"),
        ("[2001:db8::7]:51008", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ('"[2001:db8::7]"', "2001:db8::7"),
        ("[::ffff:203.0.113.9]:80", "203.0.113.9"),
        ("[fe80::1%eth0]:80", "fe80::1"),
    ],
)
def test_a_node_may_have_a_port(node, address):
    assert of_node(node) == address


@every(
    "node",
    [
        "", "unknown", "_hidden", "203.0.113.999", "203.0.113.9:", "203.0.113.9:port", "[2001:db8::7",
        "2001:db8::7]", "[203.0.113.9", "203.0.113.9 ", "010.0.0.1", "shop.example", "1" * LONGEST + "1",
        "fe80::1%" + "1" * LONGEST,
        "[]", "[]:80", ":80",
    ],
)  # fmt: skip
def test_other_identifiers_have_no_address(node):
    assert of_node(node) == ""
