import pytest

from pylb.containers.port import Binding, Port, choose_binding, port_number, read_ports
from tests.every import every


@pytest.mark.parametrize("text", ["1", "80", "65535", "00080"])
def test_valid_ports(text):
    assert port_number(text) == int(text)


@every("text", ["", "0", "65536", "70000", "9" * 20, "9" * 5000, "-1", "80-81", " 80", "٣", "1e3"])
def test_invalid_ports(text):
    with pytest.raises(ValueError, match="expected a port from 1 to 65535"):
        port_number(text)


def at(address, port):
    return {"HostIp": address, "HostPort": port}


def test_all_bindings_of_a_port_are_kept():
    published = {"80/tcp": [at("0.0.0.0", "8080"), at("::", "8081")], "53/udp": None}
    assert read_ports(["80/tcp"], published, on_host=False) == (
        (Port(53, "udp"), Port(80, "tcp", (Binding("0.0.0.0", 8080), Binding("::", 8081)))),
        (),
    )


def test_a_port_without_a_binding_is_not_published():
    for number in ("", "0"):
        assert read_ports([], {"80/tcp": [at("", number)]}, on_host=False) == ((Port(80),), ())


@pytest.mark.parametrize("binding", [at("nowhere", "80"), at("", "80-90"), at("", "9" * 5000)])
def test_an_invalid_binding_affects_only_its_port(binding):
    ports, (problem,) = read_ports(["81/tcp"], {"80/tcp": [binding]}, on_host=False)
    assert ports == (Port(81),)
    assert problem.startswith("its port '80/tcp' is skipped: ")


@every(
    ("bindings", "host", "chosen"),
    [
        ([("0.0.0.0", 1), ("::", 2)], "10.0.0.1", 1),
        ([("::", 2), ("0.0.0.0", 1)], "10.0.0.1", 1),
        ([("0.0.0.0", 1), ("::", 2)], "fd00::1", 2),
        ([("", 3)], "fd00::1", 3),
        ([("", 3)], "machine", 3),
        ([("::", 2), ("0.0.0.0", 1)], "machine", 1),
        ([("::", 2)], "", 2),
        ([("127.0.0.1", 1), ("10.0.0.5", 2)], "10.0.0.1", 2),
        ([("127.0.0.1", 1), ("0.0.0.0", 2)], "10.0.0.1", 2),
        ([("::1", 1), ("fd00::5", 2)], "10.0.0.1", 2),
        ([("127.0.0.1", 1), ("10.0.0.5", 2)], "127.0.0.1", 2),
        ([("127.0.0.1", 1)], "10.0.0.1", 1),
        ([("10.0.0.5", 2), ("10.0.0.1", 1)], "10.0.0.1", 1),
        ([("::", 9010)], "10.0.0.1", None),
        ([("0.0.0.0", 9010)], "fd00::1", None),
        ([], "10.0.0.1", None),
    ],
)
def test_the_address_of_a_published_port(bindings, host, chosen):
    found = choose_binding([Binding(*each) for each in bindings], host)
    assert (found and found.port) == chosen
