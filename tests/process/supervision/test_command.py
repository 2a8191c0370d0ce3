import os
import signal

import pytest

from pylb.errors import StartError, UsageError
from pylb.process.supervision.command import Target, reload, stop, upgrade
from pylb.process.supervision.pidfile import PidFile


@pytest.fixture
def target(tmp_path):
    held = PidFile(str(tmp_path / "pylb.pid"))
    held.write()
    yield Target(pid_file=str(tmp_path / "pylb.pid"))
    os.close(held.descriptor)


@pytest.mark.parametrize(
    ("command", "number"),
    [(reload, signal.SIGHUP), (upgrade, signal.SIGUSR2), (stop, signal.SIGTERM)],
)
def test_a_command_is_a_signal_to_whom_the_file_names(target, monkeypatch, capsys, command, number):
    sent = []
    monkeypatch.setattr(os, "kill", lambda *signalled: sent.append(signalled))
    assert command(target) == 0
    assert sent == [(os.getpid(), number)]
    assert capsys.readouterr().out == f"sent {number.name} to pylb, process {os.getpid()}\n"


def test_who_may_not_send_is_told(target, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "kill", refuse)
    with pytest.raises(StartError, match=f"cannot send SIGTERM to process {os.getpid()}: Operation not"):
        stop(target)


def test_nobody_is_signalled_by_guess():
    with pytest.raises(UsageError, match="expected --pid-file PATH"):
        Target().check()
