import pytest

from pylb.discovery.address import check_host, check_port

HOSTS = [
    "10.0.0.1",
    "web",
    "web-1.example.com",
    "_srv.example",
    "web_1",
    "example.com.",
    "::1",
    "fe80::1%eth0",
]
NOT_HOSTS = ["", "web 1", "a\r\nb", "-web", "[::1]", "::g", "1:2", "http://web", "web/", "wéb", "a" * 254]


@pytest.mark.parametrize("host", HOSTS)
def test_names_and_addresses_are_taken(host):
    assert check_host(host) == host


@pytest.mark.parametrize("host", NOT_HOSTS)
def test_anything_else_is_refused(host):
    with pytest.raises(ValueError, match="expected a host name or an IP address, got"):
        check_host(host)


@pytest.mark.parametrize("port", [1, 80, 65535])
def test_ports_that_something_can_listen_on(port):
    assert check_port(port) == port


@pytest.mark.parametrize("port", [-1, 0, 65536])
def test_other_ports_are_refused(port):
    with pytest.raises(ValueError, match=f"expected a port from 1 to 65535, got {port}"):
        check_port(port)
