import os

import pytest

from pylb.supervisor.outcome import Outcome, OutcomeFile, read


@pytest.fixture
def pid_file(tmp_path):
    return str(tmp_path / "pylb.pid")


def test_begin_and_outcome_can_be_read(pid_file):
    assert read(pid_file) is None
    file = OutcomeFile(pid_file)
    file.create()
    assert read(pid_file) == {}
    assert os.stat(pid_file + ".outcome").st_mode & 0o777 == 0o600
    file.begin("reload")
    assert read(pid_file) == {"reload": Outcome(begun=1)}
    file.end("reload", "generation 2 serves")
    file.begin("reload")
    file.end("reload", "reload refused", failed=True)
    file.begin("upgrade")
    assert read(pid_file) == {
        "reload": Outcome(2, 2, failed=True, text="reload refused"),
        "upgrade": Outcome(begun=1),
    }
    file.remove()
    file.remove()
    assert os.listdir(os.path.dirname(pid_file)) == []


def test_a_successor_continues_the_count(pid_file):
    former, following = OutcomeFile(pid_file), OutcomeFile(pid_file)
    former.begin("upgrade")
    following.create()
    former.end("upgrade", "process 2 has taken over")
    following.begin("reload")
    assert read(pid_file) == {
        "upgrade": Outcome(1, 1, text="process 2 has taken over"),
        "reload": Outcome(begun=1),
    }


def test_without_a_pid_file_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = OutcomeFile(None)
    file.create()
    file.begin("reload")
    file.end("reload", "done")
    file.remove()
    assert os.listdir(tmp_path) == []


def test_an_unwritable_file_is_logged_in_one_line(tmp_path, caplog):
    file = OutcomeFile(str(tmp_path / "no" / "pylb.pid"))
    file.create()
    file.begin("reload")
    (record,) = caplog.records
    assert "pylb.pid.outcome: No such file or directory; pylb reload and pylb upgrade do not wait" in (
        record.getMessage()
    )


@pytest.mark.parametrize("content", ["", "{", "[]", '{"reload": 1}', '{"reload": {"colour": "blue"}}'])
def test_an_invalid_file_has_no_outcome(pid_file, content):
    with open(pid_file + ".outcome", "w") as file:
        file.write(content)
    assert read(pid_file) is None


def test_links_are_neither_followed_nor_written_through(tmp_path, pid_file):
    target = tmp_path / "important"
    target.write_text("{}")
    os.symlink(target, pid_file + ".outcome")
    assert read(pid_file) is None
    OutcomeFile(pid_file).create()
    assert read(pid_file) == {}
    assert not os.path.islink(pid_file + ".outcome")
    assert target.read_text() == "{}"
