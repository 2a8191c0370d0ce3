from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pylb.config.hosts import check_host, check_port
from tests.every import every

HOSTS = [
    "10.0.0.1",
    "web",
    "web-1.example.com",
    "_srv.example",
    "web_1",
    "example.com.",
    "::1",
    "fe80::1%eth0",
    "a" * 63 + ".example",
    ".".join(["a" * 49] * 5),
    "a--b.example",
]
NOT_HOSTS = ["", "web 1", "a\r\nb", "-web", "[::1]", "::g", "1:2", "http://web", "web/", "wéb", "a" * 254]
NOT_LABELS = ["a..b", ".a", ".", "a-.b", "-a.b", "a" * 64 + ".example", "a\n", "a." * 126 + "ab"]
NOT_IPV4 = ["10.0.0.256", "10.0.1", "010.0.0.1", "1234", "1.2.3.4.5", "web.1"]
NOT_ZONES = ["::1%", "::1%x\r\nEvil: 1", "::1%a%b", "::1%" + "x" * 16]


@every("host", HOSTS)
def test_names_and_addresses_are_accepted(host):
    assert check_host(host) == host


@every("host", NOT_HOSTS + NOT_LABELS + NOT_IPV4 + NOT_ZONES)
def test_anything_else_is_rejected(host):
    with pytest.raises(ValueError, match="expected a host name or an IP address, got"):
        check_host(host)


@given(st.text(alphabet="ab-._1:", max_size=80) | st.text())
def test_every_accepted_host_can_be_resolved(host):
    """Python encodes names by IDNA before it looks them up, which raises UnicodeError for what is no name."""
    taken = ""
    with suppress(ValueError):
        taken = check_host(host)
    assert taken.encode("idna") == taken.encode()


@pytest.mark.parametrize("port", [1, 80, 65535])
def test_ports_that_something_can_listen_on(port):
    assert check_port(port) == port


@pytest.mark.parametrize("port", [-1, 0, 65536])
def test_other_ports_are_rejected(port):
    with pytest.raises(ValueError, match=f"expected a port from 1 to 65535, got {port}"):
        check_port(port)
