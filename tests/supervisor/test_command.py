import os
import signal
from contextlib import redirect_stdout
from io import StringIO
from threading import Timer

import pytest

from pylb.errors import StartError, UsageError
from pylb.supervisor.command import Awaited, Target, reload, stop, upgrade
from pylb.supervisor.outcome import OutcomeFile
from pylb.supervisor.pidfile import PidFile


@pytest.fixture
def retained(tmp_path):
    retained = PidFile(str(tmp_path / "pylb.pid"))
    retained.write()
    yield retained
    os.close(retained.descriptor)


@pytest.fixture
def target(retained, tmp_path):
    return Awaited(pid_file=str(tmp_path / "pylb.pid"), timeout=20.0)


@pytest.fixture
def outcomes(target):
    made = OutcomeFile(target.pid_file)
    made.create()
    return made


@pytest.fixture
def answer(monkeypatch):
    """Lets the pylb that is signalled do something, a moment later."""
    sent = []

    def answer(*steps):
        def kill(pid, number):
            sent.append((pid, number))
            Timer(0.05, lambda: [step() for step in steps]).start()

        monkeypatch.setattr(os, "kill", kill)
        return sent

    return answer


@pytest.mark.parametrize(("command", "number"), [(reload, signal.SIGHUP), (upgrade, signal.SIGUSR2)])
def test_a_command_signals_the_process_of_the_pid_file_and_waits(target, outcomes, answer, command, number):
    name = command.__name__
    outcomes.begin(name)
    sent = answer(
        lambda: outcomes.end(name, "this one had begun before"),
        lambda: outcomes.begin(name),
        lambda: outcomes.end(name, "generation 3 serves"),
    )
    with redirect_stdout(StringIO()) as printed:
        assert command(target) == 0
    assert sent == [(os.getpid(), number)]
    assert printed.getvalue() == f"pylb, process {os.getpid()}: generation 3 serves\n"


def test_a_rejection_is_an_error(target, outcomes, answer):
    answer(
        lambda: outcomes.begin("reload"),
        lambda: outcomes.end("reload", "reload refused: PYLB_POLICY: got 'x'", failed=True),
    )
    with pytest.raises(StartError, match=r"^reload refused: PYLB_POLICY: got 'x'$"):
        reload(target)


def test_waiting_ends_if_pylb_ends(target, outcomes, answer, retained):
    answer(lambda: os.ftruncate(retained.descriptor, 0))
    with pytest.raises(StartError, match="does not hold the number of a process"):
        reload(target)


def test_waiting_has_a_timeout(target, outcomes, answer):
    answer()
    with pytest.raises(StartError, match=r"reload: no outcome within 0\.01 s, see the log of process"):
        reload(Awaited(pid_file=target.pid_file, timeout=0.01))


def test_a_pylb_that_reports_no_outcomes_is_only_signalled(target, answer, capsys):
    sent = answer()
    assert reload(target) == 0
    assert sent == [(os.getpid(), signal.SIGHUP)]
    assert capsys.readouterr().out == (
        f"sent SIGHUP to pylb, process {os.getpid()}, which reports no outcomes\n"
    )


def test_stop_is_a_signal(target, answer, capsys):
    sent = answer()
    assert stop(target) == 0
    assert sent == [(os.getpid(), signal.SIGTERM)]
    assert capsys.readouterr().out == f"sent SIGTERM to pylb, process {os.getpid()}\n"


def test_missing_permission_is_an_error(target, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "kill", refuse)
    with pytest.raises(StartError, match=f"cannot send SIGTERM to process {os.getpid()}: Operation not"):
        stop(target)


def test_without_a_locked_pid_file_no_process_is_signalled():
    with pytest.raises(UsageError, match="expected --pid-file PATH"):
        Target().check()
