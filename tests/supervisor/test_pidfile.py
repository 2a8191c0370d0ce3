import os

import pytest

from pylb.errors import StartError
from pylb.supervisor.pidfile import PidFile, running


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "pylb.pid")


def test_who_runs_is_named_by_its_file_and_only_while_it_runs(path):
    mine = PidFile(path)
    mine.write()
    assert running(path) == os.getpid()
    with pytest.raises(StartError, match=f"pylb runs already, as process {os.getpid()}"):
        PidFile(path)
    os.close(mine.descriptor)
    with pytest.raises(StartError, match="pylb does not run: nobody holds"):
        running(path)
    os.close(PidFile(path).descriptor)


def test_a_file_left_by_a_crash_is_taken_over_whatever_it_says(path):
    with open(path, "w") as file:
        file.write("99999999999999\n")
    mine = PidFile(path)
    mine.write()
    assert running(path) == os.getpid()
    mine.remove()
    assert not os.path.exists(path)
    os.close(mine.descriptor)


def test_a_successor_holds_it_without_a_gap_and_is_not_removed_by_its_predecessor(path):
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
def test_a_file_without_a_number(path, content):
    mine = PidFile(path)
    with open(path, "w") as file:
        file.write(content)
    with pytest.raises(StartError, match="does not hold the number of a process"):
        running(path)
    os.close(mine.descriptor)


def test_where_nothing_can_be_written_or_read(tmp_path):
    nowhere = str(tmp_path / "no" / "pylb.pid")
    with pytest.raises(StartError, match=r"--pid-file: cannot write .*: No such file or directory"):
        PidFile(nowhere)
    with pytest.raises(StartError, match=r"--pid-file: cannot read .*: No such file or directory"):
        running(nowhere)


def test_a_link_is_not_followed_neither_to_write_nor_to_read(tmp_path, path):
    target = tmp_path / "important"
    target.write_text("4711\n")
    os.symlink(target, path)
    for use, reason in ((PidFile, "cannot write"), (running, "cannot read")):
        with pytest.raises(
            StartError, match=f"--pid-file: {reason} .*: expected a regular file, or none yet"
        ):
            use(path)
    assert target.read_text() == "4711\n"


def test_what_is_no_file_is_refused_at_once(path):
    os.mkfifo(path)
    for use in (PidFile, running):
        with pytest.raises(StartError, match="expected a regular file, or none yet"):
            use(path)


def test_a_file_that_another_one_has_replaced_is_not_removed(path):
    mine = PidFile(path)
    mine.write()
    os.unlink(path)
    with open(path, "w") as file:
        file.write(f"{os.getpid()}\n")
    mine.remove()
    assert os.path.exists(path)
    os.close(mine.descriptor)
