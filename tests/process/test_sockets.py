"""Sockets are opened before anything else: where, and what is said if that cannot be."""

import socket

import pytest

from pylb.config import Address
from pylb.errors import StartError
from pylb.process.sockets import open_sockets, where


@pytest.fixture
def opened():
    sockets = []
    yield sockets
    for each in sockets:
        each.close()


def port(listening):
    return listening.getsockname()[1]


def test_an_address_and_what_the_log_says_of_it(opened):
    opened += open_sockets((Address("127.0.0.1", 0),))
    assert where(opened[0]) == f"127.0.0.1:{port(opened[0])}"


def test_ipv6_leaves_the_ipv4_port_free(opened):
    opened += open_sockets((Address("::1", 0),))
    opened += open_sockets((Address("127.0.0.1", port(opened[0])),))
    assert where(opened[0]) == f"[::1]:{port(opened[0])}"


def test_what_cannot_be_bound_is_named_and_nothing_stays_open(opened):
    opened += open_sockets((Address("127.0.0.1", 0),))
    opened[0].listen()
    taken = Address("127.0.0.1", port(opened[0]))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = Address("127.0.0.1", port(probe))
    with pytest.raises(StartError) as caught:
        open_sockets((free, taken), option="--admin")
    assert str(caught.value) == f"--admin: cannot listen on {taken}: Address already in use"
    opened += open_sockets((free,))


def test_a_unix_socket_takes_the_place_of_one_whose_process_is_gone(opened, tmp_path):
    address = Address(path=str(tmp_path / "pylb.sock"))
    left_behind = open_sockets((address,))[0]
    left_behind.close()
    opened += open_sockets((address,))
    assert where(opened[0]) == f"unix:{tmp_path}/pylb.sock"


def test_a_unix_socket_that_is_answered_stays(opened, tmp_path):
    address = Address(path=str(tmp_path / "pylb.sock"))
    opened += open_sockets((address,))
    opened[0].listen()
    with pytest.raises(StartError, match=r"cannot listen on unix:/.*: Address already in use"):
        open_sockets((address,))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(address.path)


def test_a_file_is_not_removed_for_a_socket(tmp_path):
    file = tmp_path / "precious"
    file.write_text("data")
    with pytest.raises(StartError, match=r"cannot listen on unix:/.*precious: Address already in use"):
        open_sockets((Address(path=str(file)),))
    assert file.read_text() == "data"
