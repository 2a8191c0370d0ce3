import socket

import pytest

from pylb.config.kinds import Address
from pylb.errors import StartError
from pylb.supervisor.handover import SYSTEMD, Handover
from pylb.supervisor.listeners import Listeners, addresses

ANY = Address("127.0.0.1", 0)


@pytest.fixture
def made():
    """Makes listeners that are closed in the end."""
    opened = []

    def make(**arguments):
        opened.append(Listeners(**arguments))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def address(listening):
    return listening.getsockname()


def plain(listeners, number):
    return listeners.of_worker(number)[0]


def test_every_worker_has_a_listening_socket(made):
    listeners = made(listen=(ANY, Address("::1", 0)), listen_tls=(ANY,), admin=ANY, workers=3)
    per_worker = [listeners.of_worker(number) for number in range(3)]
    assert len({each.fileno() for kinds in per_worker for sockets in kinds for each in sockets}) == 9
    (four, six), (secret,) = per_worker[0]
    assert {address(sockets[0]) for sockets, _ in per_worker} == {address(four)}
    assert {address(sockets[0]) for _, sockets in per_worker} == {address(secret)}
    (admin,) = listeners.of_control()
    for where in (address(four), address(six), address(secret), address(admin)):
        socket.create_connection(where[:2], timeout=5).close()
    assert listeners.clients == (
        f"127.0.0.1:{address(four)[1]}, [::1]:{address(six)[1]}, 127.0.0.1:{address(secret)[1]} (TLS)"
    )
    assert listeners.operators == f"127.0.0.1:{address(admin)[1]}"


def test_inherited_sockets_are_kept_extended_or_closed(made):
    other = Address("127.0.0.2", 0)
    old = made(listen=(ANY, other), listen_tls=(ANY,), admin=ANY, workers=2)
    given = Handover(dict(old.plain), dict(old.tls), dict(old.admin))
    dropped = old.plain[str(other)][0][0]
    new = made(listen=(ANY, Address("::1", 0)), listen_tls=(ANY,), workers=3, given=given)
    for number in (0, 1):
        (kept, *_), (secret, *_) = old.of_worker(number)
        assert [sockets[0].fileno() for sockets in new.of_worker(number)] == [kept.fileno(), secret.fileno()]
    assert address(plain(new, 2)[0]) == address(plain(old, 0)[0]), "one more of the same"
    assert dropped.fileno() == -1
    assert (new.of_control(), addresses(new.admin), new.operators) == ([], [], "off")


def test_with_fewer_workers_every_socket_is_served(made):
    old = made(listen=(ANY,), workers=4)
    new = made(listen=(ANY,), workers=2, given=Handover(dict(old.plain)))
    assert [len(plain(new, number)) for number in range(2)] == [2, 2]


@pytest.mark.parametrize("kind", [0, 1], ids=["plain", "tls"])
def test_sockets_of_systemd_replace_the_options(made, kind):
    with socket.create_server(("127.0.0.1", 0)) as server:
        given = Handover(*([{}] * kind), {SYSTEMD: [[server]]})
        listeners = made(listen=(ANY,), listen_tls=(ANY,), workers=2, given=given)
        expected = ([[server], []], [[], [server]])[kind]
        assert [[*listeners.of_worker(number)] for number in range(2)] == [expected, expected]


def test_a_port_in_use_names_the_option():
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = Address(*server.getsockname())
        with pytest.raises(StartError, match=r"^--listen: cannot listen on"):
            Listeners(listen=(taken,), workers=2)
        with pytest.raises(StartError, match=r"^--listen-tls: cannot listen on"):
            Listeners(listen=(ANY,), listen_tls=(taken,), workers=2)
        with pytest.raises(StartError, match=r"^--admin: cannot listen on"):
            Listeners(listen=(ANY,), admin=taken, workers=2)
