import socket

import pytest

from pylb.config.kinds import Address
from pylb.errors import StartError
from pylb.process.handover import SYSTEMD, Handover
from pylb.process.listeners import Listeners, addresses

ANY = Address("127.0.0.1", 0)


@pytest.fixture
def made():
    """Makes listeners that are closed in the end."""
    opened = []

    def make(*arguments):
        opened.append(Listeners(*arguments))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def address(listening):
    return listening.getsockname()


def test_a_socket_for_each_worker_and_each_queues_at_once(made):
    listeners = made((ANY, Address("::1", 0)), ANY, 3, Handover())
    per_worker = [listeners.of_worker(number) for number in range(3)]
    assert len({each.fileno() for sockets in per_worker for each in sockets}) == 6
    assert len({address(sockets[0]) for sockets in per_worker}) == 1
    (admin,) = listeners.of_control()
    for where in (address(per_worker[0][0]), address(per_worker[0][1]), address(admin)):
        socket.create_connection(where[:2], timeout=5).close()
    assert addresses(listeners.clients) == (
        f"127.0.0.1:{address(per_worker[0][0])[1]}, [::1]:{address(per_worker[0][1])[1]}"
    )
    assert addresses(listeners.admin) == f"127.0.0.1:{address(admin)[1]}"


def test_what_was_handed_over_is_kept_opened_or_closed_as_it_is_wanted_now(made):
    other = Address("127.0.0.2", 0)
    old = made((ANY, other), ANY, 2, Handover())
    given = Handover(dict(old.clients), dict(old.admin))
    dropped = old.clients[str(other)][0][0]
    new = made((ANY, Address("::1", 0)), None, 3, given)
    assert [each.fileno() for number in (0, 1) for each in new.of_worker(number)[:1]] == [
        each.fileno() for number in (0, 1) for each in old.of_worker(number)[:1]
    ]
    assert address(new.of_worker(2)[0]) == address(old.of_worker(0)[0]), "one more of the same"
    assert dropped.fileno() == -1
    assert (new.of_control(), addresses(new.admin)) == ([], "off")


def test_with_less_workers_no_socket_is_left_alone(made):
    old = made((ANY,), None, 4, Handover())
    new = made((ANY,), None, 2, Handover(dict(old.clients)))
    assert [len(new.of_worker(number)) for number in range(2)] == [2, 2]


def test_those_of_systemd_take_the_place_of_all_that_was_asked_for(made):
    with socket.create_server(("127.0.0.1", 0)) as server:
        listeners = made((ANY,), None, 2, Handover({SYSTEMD: [[server]]}))
        assert [listeners.of_worker(number) for number in range(2)] == [[server], [server]]


def test_a_port_in_use_names_the_option():
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = Address(*server.getsockname())
        with pytest.raises(StartError, match=r"^--listen: cannot listen on"):
            Listeners((taken,), None, 2, Handover())
        with pytest.raises(StartError, match=r"^--admin: cannot listen on"):
            Listeners((ANY,), taken, 2, Handover())
