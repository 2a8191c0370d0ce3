import socket

import pytest

from pylb.ipc.control_socket import Hello, accept, connect, control_socket

ONE, TWO = Hello("worker 1", 11, 1, 0), Hello("worker 2", 12, 1, 0)


@pytest.fixture
def control_sockets():
    control, workers = control_socket()
    yield control, workers
    control.close()
    workers.close()


def test_connections_wait_for_the_next_control(control_sockets):
    control, workers = control_sockets
    assert accept(control) is None
    ours = [connect(workers, hello) for hello in (ONE, TWO)]
    for hello, end in zip((ONE, TWO), ours, strict=True):
        received, theirs = accept(control)
        assert received == hello
        end.sendall(b"hello")
        assert theirs.recv(10) == b"hello"
        theirs.close()
        assert end.recv(10) == b"", "and the end of control is seen"
        end.close()
    assert accept(control) is None


def test_a_worker_that_left_before_its_accept_is_ignored(control_sockets):
    control, workers = control_sockets
    connect(workers, ONE).close()
    received, theirs = accept(control)
    assert (received, theirs.recv(10)) == (ONE, b"")
    theirs.close()


def test_a_closed_control_socket_is_an_error(control_sockets):
    control, workers = control_sockets
    connect(workers, ONE).close()
    workers.close()
    received, theirs = accept(control)
    theirs.close()
    assert received == ONE, "who came before is not forgotten"
    with pytest.raises(ConnectionError):
        accept(control)
    control, workers = control_socket()
    with workers:
        control.close()
        with pytest.raises(ConnectionError):
            connect(workers, ONE)


def next_descriptor():
    with socket.socket() as made:
        return made.fileno()


def test_a_full_control_socket_is_reported_without_leaks(control_sockets):
    _, workers = control_sockets
    ours = []

    def fill():
        while True:
            ours.append(connect(workers, ONE))

    with pytest.raises(BlockingIOError):
        fill()
    assert ours
    before = next_descriptor()
    with pytest.raises(BlockingIOError):
        connect(workers, ONE)
    assert next_descriptor() == before
    for end in ours:
        end.close()
