"""Which peers are trusted."""

import pytest

from pylb.policy.networks import Networks

TRUSTED = Networks(["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"])


@pytest.mark.parametrize("address", ["10.1.2.3", "192.0.2.7", "2001:db8::1"])
def test_an_address_inside_is_trusted(address):
    assert address in TRUSTED


@pytest.mark.parametrize("address", ["11.1.2.3", "192.0.2.8", "2001:db9::1", "", "nonsense"])
def test_an_address_outside_is_not(address):
    assert address not in TRUSTED


def test_unix_matches_peers_without_an_address():
    assert "" in Networks(["unix"])
    assert "" not in Networks(())
    assert Networks(["unix"])
    assert not Networks(())


def test_an_invalid_network_is_rejected():
    with pytest.raises(ValueError, match="has host bits set"):
        Networks(["10.0.0.1/8"])


def test_a_network_of_ipv4_mapped_addresses_is_converted_to_ipv4():
    mapped = Networks(["::ffff:10.0.0.0/104", "::ffff:192.0.2.7"])
    assert "10.1.2.3" in mapped
    assert "192.0.2.7" in mapped
    assert "11.1.2.3" not in mapped
