import pytest

from pylb.containers.port import Binding, Port, choose_binding, port_number, read_ports
from tests.every import every


@pytest.mark.parametrize("text", ["1", "80", "65535", "00080"])
def test_ports_that_are_some(text):
    assert port_number(text) == int(text)


@every("text", ["", "0", "65536", "70000", "9" * 20, "9" * 5000, "-1", "80-81", " 80", "٣", "1e3"])
def test_ports_that_are_none(text):
    with pytest.raises(ValueError, match="expected a port from 1 to 65535"):
        port_number(text)


def at(address, port):
    return {"HostIp": address, "HostPort": port}


def test_all_places_where_a_port_is_published_are_kept():
    published = {"80/tcp": [at("0.0.0.0", "8080"), at("::", "8081")], "53/udp": None}
    assert read_ports(["80/tcp"], published, on_host=False) == (
        (Port(53, "udp"), Port(80, "tcp", (Binding("0.0.0.0", 8080), Binding("::", 8081)))),
        (),
    )


def test_a_port_that_is_not_published_yet_is_not():
    for number in ("", "0"):
        assert read_ports([], {"80/tcp": [at("", number)]}, on_host=False) == ((Port(80),), ())


@pytest.mark.parametrize("binding", [at("nowhere", "80"), at("", "80-90"), at("", "9" * 5000)])
def test_a_place_that_cannot_be_read_is_a_problem_of_its_port_alone(binding):
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
def test_where_clients_reach_a_published_port(bindings, host, chosen):
    found = choose_binding([Binding(*each) for each in bindings], host)
    assert (found and found.port) == chosen
