"""Limits on what one client, and all together, may take."""

import pytest

from pylb.errors import ProxyError
from pylb.policy import admission
from pylb.policy.admission import Connections, Rate, client_of


def rejection(call, *args, **kwargs):
    with pytest.raises(ProxyError) as raised:
        call(*args, **kwargs)
    return raised.value.status, raised.value.code


def test_without_limits_nothing_is_stored():
    connections = Connections()
    assert connections.enter("192.0.2.1", 10**6, trusted=False) == ""
    connections.leave("")


def test_the_total_number_of_connections_is_limited():
    connections = Connections(total=2)
    connections.enter("192.0.2.1", 1, trusted=False)
    assert rejection(connections.enter, "192.0.2.1", 2, trusted=True) == (503, "RR")


def test_the_number_of_connections_of_a_client_is_limited():
    connections = Connections(per_client=2)
    first, _ = (connections.enter("192.0.2.1", 0, trusted=False) for _ in range(2))
    assert rejection(connections.enter, "192.0.2.1", 0, trusted=False) == (503, "RR")
    connections.enter("192.0.2.2", 0, trusted=False)
    connections.leave(first)
    connections.enter("192.0.2.1", 0, trusted=False)


def test_closed_connections_are_not_counted():
    connections = Connections(per_client=2)
    connections.leave(connections.enter("192.0.2.1", 0, trusted=False))
    assert connections._open == {}


@pytest.mark.parametrize(("address", "trusted"), [("192.0.2.1", True), ("", False)])
def test_trusted_proxies_are_not_counted(address, trusted):
    connections = Connections(per_client=1)
    for _ in range(5):
        assert connections.enter(address, 0, trusted=trusted) == ""


def test_a_client_is_an_ipv4_address_or_an_ipv6_network():
    assert client_of("192.0.2.1") == "192.0.2.1"
    assert client_of("2001:db8::1") == client_of("2001:db8::ffff:1") == "2001:db8::/64"
    assert client_of("2001:db8:0:1::1") != client_of("2001:db8::1")


def test_a_burst_of_one_second_is_allowed():
    rate = Rate(4)
    for _ in range(4):
        rate.count("192.0.2.1", 100.0)
    assert rejection(rate.count, "192.0.2.1", 100.0) == (429, "PR")
    rate.count("192.0.2.2", 100.0)
    rate.count("192.0.2.1", 100.25)
    assert rejection(rate.count, "192.0.2.1", 100.25) == (429, "PR")
    for _ in range(4):
        rate.count("192.0.2.1", 200.0)


def test_one_per_second():
    rate = Rate(1)
    rate.count("192.0.2.1", 100.0)
    assert rejection(rate.count, "192.0.2.1", 100.9) == (429, "PR")
    rate.count("192.0.2.1", 101.0)


def test_the_number_of_stored_clients_is_bounded(monkeypatch):
    monkeypatch.setattr(admission, "REMEMBERED", 2)
    rate = Rate(1)
    for number in range(3):
        rate.count(f"192.0.2.{number}", 100.0)
    rate.count("192.0.2.0", 100.0)
    assert rejection(rate.count, "192.0.2.2", 100.0) == (429, "PR")
