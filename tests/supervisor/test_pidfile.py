import os

import pytest

from pylb.errors import StartError
from pylb.supervisor.pidfile import PidFile, running


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "pylb.pid")


def test_the_pid_file_names_the_running_process(path):
    mine = PidFile(path)
    mine.write()
    assert running(path) == os.getpid()
    with pytest.raises(StartError, match=f"pylb runs already, as process {os.getpid()}"):
        PidFile(path)
    os.close(mine.descriptor)
    with pytest.raises(StartError, match="pylb does not run: no process holds"):
        running(path)
    os.close(PidFile(path).descriptor)


def test_a_stale_pid_file_is_replaced(path):
    with open(path, "w") as file:
        file.write("99999999999999\n")
    mine = PidFile(path)
    mine.write()
    assert running(path) == os.getpid()
    mine.remove()
    assert not os.path.exists(path)
    os.close(mine.descriptor)


def test_a_successor_inherits_the_lock_without_a_gap(path):
    old = PidFile(path)
    old.write()
    new = PidFile(path, os.dup(old.descriptor))
    os.pwrite(new.descriptor, b"4711\n", 0)
    os.ftruncate(new.descriptor, 5)
    old.remove()
    os.close(old.descriptor)
    assert running(path) == 4711
    os.close(new.descriptor)


@pytest.mark.parametrize("content", ["", "x\n"])
def test_a_file_without_a_number_is_an_error(path, content):
    mine = PidFile(path)
    with open(path, "w") as file:
        file.write(content)
    with pytest.raises(StartError, match="does not hold the number of a process"):
        running(path)
    os.close(mine.descriptor)


def test_an_unusable_path_is_an_error(tmp_path):
    nowhere = str(tmp_path / "no" / "pylb.pid")
    with pytest.raises(StartError, match=r"--pid-file: cannot write .*: No such file or directory"):
        PidFile(nowhere)
    with pytest.raises(StartError, match=r"--pid-file: cannot read .*: No such file or directory"):
        running(nowhere)


def test_a_symbolic_link_is_not_followed(tmp_path, path):
    target = tmp_path / "important"
    target.write_text("4711\n")
    os.symlink(target, path)
    for use, reason in ((PidFile, "cannot write"), (running, "cannot read")):
        with pytest.raises(
            StartError, match=f"--pid-file: {reason} .*: expected a regular file, or none yet"
        ):
            use(path)
    assert target.read_text() == "4711\n"


def test_other_kinds_of_files_are_rejected_immediately(path):
    os.mkfifo(path)
    for use in (PidFile, running):
        with pytest.raises(StartError, match="expected a regular file, or none yet"):
            use(path)


def test_a_replaced_file_is_not_removed(path):
    mine = PidFile(path)
    mine.write()
    os.unlink(path)
    with open(path, "w") as file:
        file.write(f"{os.getpid()}\n")
    mine.remove()
    assert os.path.exists(path)
    os.close(mine.descriptor)
