import socket
import threading

import pytest

from pylb.config.kinds import Address
from pylb.errors import StartError
from pylb.runtime.sockets import close, extend, open_groups, open_sockets, share, where

ANY = Address("127.0.0.1", 0)


def connects(address):
    with socket.create_connection(address, timeout=5):
        return True


def test_all_copies_have_the_same_address():
    (group,) = open_groups(ANY, copies=3)
    assert len({where(listening) for listening in group}) == 1
    assert len(group) == 3
    for listening in group:
        listening.listen()
    assert connects(group[0].getsockname())
    close(group)


@pytest.mark.parametrize("copies", [1, 2])
def test_a_port_in_use_is_detected_despite_so_reuseport(copies):
    (taken,) = open_groups(ANY, copies=2)
    for listening in taken:
        listening.listen()
    address = Address("127.0.0.1", taken[0].getsockname()[1])
    with pytest.raises(StartError, match=f"--listen: cannot listen on {address}: Address already in use"):
        open_groups(address, copies=copies)
    close(taken)


def test_a_group_grows_if_it_was_opened_to_be_shared():
    (group,) = open_groups(ANY, copies=2)
    extend(group, 4)
    assert len(group) == 4
    close(group)
    (alone,) = open_groups(ANY)
    extend(alone, 4)
    assert len(alone) == 1
    close(alone)


def test_every_worker_has_a_socket_and_every_socket_a_worker():
    group = list("abcd")
    for workers in range(1, 8):
        shares = [share(group, worker, workers) for worker in range(workers)]
        assert all(shares)
        assert {listening for each in shares for listening in each} == set(group)


def test_a_unix_socket_is_shared_by_duplication(tmp_path):
    (group,) = open_groups(Address(path=str(tmp_path / "pylb.sock")), copies=3)
    assert len(group) == 1
    assert where(group[0]) == f"unix:{tmp_path}/pylb.sock"
    close(group)


def test_a_stale_path_is_removed_and_one_in_use_is_not(tmp_path):
    path = Address(path=str(tmp_path / "pylb.sock"))
    (stale,) = open_sockets((path,))
    stale.close()
    (used,) = open_sockets((path,))
    used.listen()

    def accept():
        used.accept()[0].close()

    accepting = threading.Thread(target=accept)
    accepting.start()
    with pytest.raises(StartError, match="Address already in use"):
        open_sockets((path,))
    accepting.join()
    used.close()


def test_both_families_of_a_name():
    sockets = open_sockets((Address("127.0.0.1", 0), Address("::1", 0)), option="--admin")
    assert [where(listening).rpartition(":")[0] for listening in sockets] == ["127.0.0.1", "[::1]"]
    close(sockets)
