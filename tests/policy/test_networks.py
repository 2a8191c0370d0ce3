"""Which peers are trusted, and whom they may speak for."""

import pytest

from pylb.policy.networks import Networks

TRUSTED = Networks(["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"])


@pytest.mark.parametrize(
    "address", ["10.1.2.3", "192.0.2.7", "2001:db8::1", "::ffff:10.1.2.3", "2001:db8::1%eth0"]
)
def test_an_address_inside_is_trusted(address):
    assert address in TRUSTED


@pytest.mark.parametrize(
    "address", ["11.1.2.3", "192.0.2.8", "2001:db9::1", "::ffff:11.1.2.3", "", "nonsense"]
)
def test_an_address_outside_is_not(address):
    assert address not in TRUSTED


def test_unix_stands_for_peers_without_an_address():
    assert "" in Networks(["unix"])
    assert "" not in Networks(())
    assert Networks(["unix"])
    assert not Networks(())


def test_what_is_no_network_is_refused():
    with pytest.raises(ValueError, match="has host bits set"):
        Networks(["10.0.0.1/8"])


@pytest.mark.parametrize(
    ("peer", "chain", "client"),
    [
        ("10.0.0.1", b"203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", b"6.6.6.6, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ("10.0.0.1", b"2001:db8::5,2001:db9::1", "2001:db9::1"),
        ("10.0.0.1", b"10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", b"6.6.6.6, unknown", "10.0.0.1"),
        ("10.0.0.1", b"", "10.0.0.1"),
        ("203.0.113.9", b"6.6.6.6", "203.0.113.9"),
    ],
)
def test_the_client_is_the_last_that_no_trusted_peer_is(peer, chain, client):
    assert TRUSTED.client(peer, chain) == client
