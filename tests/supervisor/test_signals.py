import os
import select
import signal

import pytest

from pylb.supervisor.signals import SignalQueue, name_of


@pytest.fixture
def queue():
    kept = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)}
    made = SignalQueue(kept)
    made.open()
    yield made
    made.close()
    for number, handler in kept.items():
        signal.signal(number, handler)


def test_signals_are_queued_in_order(queue):
    assert queue.take() == []
    for number in (signal.SIGUSR2, signal.SIGHUP, signal.SIGUSR1):
        os.kill(os.getpid(), number)
    assert select.select([queue.descriptor], [], [], 5)[0]
    assert queue.take() == [signal.SIGUSR2, signal.SIGHUP, signal.SIGUSR1]
    assert queue.take() == []


def test_an_overflow_of_signals_is_harmless(queue):
    for _ in range(70_000):
        signal.raise_signal(signal.SIGHUP)
    assert set(queue.take()) == {signal.SIGHUP}


def test_previous_handlers_are_restored(queue):
    other = SignalQueue([signal.SIGURG])
    other.open()
    other.close()
    assert signal.getsignal(signal.SIGURG) is signal.SIG_DFL
    queue.open()


@pytest.mark.parametrize(("number", "name"), [(15, "SIGTERM"), (40, "signal 40")])
def test_each_signal_has_a_name(number, name):
    assert name_of(number) == name
