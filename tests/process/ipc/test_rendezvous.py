import socket

import pytest

from pylb.process.ipc.rendezvous import Greeting, mailbox, meet, welcome

ONE, TWO = Greeting("worker 1", 11, 1, 0), Greeting("worker 2", 12, 1, 0)


@pytest.fixture
def doors():
    control, workers = mailbox()
    yield control, workers
    control.close()
    workers.close()


def test_ends_wait_for_whoever_comes(doors):
    control, workers = doors
    assert welcome(control) is None
    ours = [meet(workers, greeting) for greeting in (ONE, TWO)]
    for greeting, end in zip((ONE, TWO), ours, strict=True):
        said, theirs = welcome(control)
        assert said == greeting
        end.sendall(b"hello")
        assert theirs.recv(10) == b"hello"
        theirs.close()
        assert end.recv(10) == b"", "and the end of control is seen"
        end.close()
    assert welcome(control) is None


def test_one_who_left_before_it_was_welcomed_is_simply_gone(doors):
    control, workers = doors
    meet(workers, ONE).close()
    said, theirs = welcome(control)
    assert (said, theirs.recv(10)) == (ONE, b"")
    theirs.close()


def test_nobody_can_come_any_more_or_take_it(doors):
    control, workers = doors
    meet(workers, ONE).close()
    workers.close()
    said, theirs = welcome(control)
    theirs.close()
    assert said == ONE, "who came before is not forgotten"
    with pytest.raises(ConnectionError):
        welcome(control)
    control, workers = mailbox()
    with workers:
        control.close()
        with pytest.raises(ConnectionError):
            meet(workers, ONE)


def next_descriptor():
    with socket.socket() as made:
        return made.fileno()


def test_a_full_mailbox_is_told_and_nothing_is_leaked(doors):
    _, workers = doors
    ours = []

    def fill():
        while True:
            ours.append(meet(workers, ONE))

    with pytest.raises(BlockingIOError):
        fill()
    assert ours
    before = next_descriptor()
    with pytest.raises(BlockingIOError):
        meet(workers, ONE)
    assert next_descriptor() == before
    for end in ours:
        end.close()
