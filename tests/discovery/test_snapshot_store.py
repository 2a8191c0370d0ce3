import os
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pylb.discovery.snapshot_store import SnapshotStore, read
from pylb.errors import StartError
from tests.discovery.snapshots import snapshot

KNOWN = snapshot(1, 2, critical=[3])


@pytest.fixture
def memory(tmp_path):
    return SnapshotStore(str(tmp_path / "state"))


def test_a_saved_snapshot_is_restored_after_a_restart(memory):
    memory.save(KNOWN)
    kept, age = SnapshotStore(str(memory.directory)).load("web")
    assert kept == KNOWN
    assert 0 <= age < 5


def test_the_latest_snapshot_replaces_the_previous_one_atomically(memory):
    memory.save(KNOWN)
    memory.save(snapshot(4))
    assert memory.load("web")[0] == snapshot(4)
    assert os.listdir(memory.directory) == ["web.snapshot"]


def test_the_names_of_stored_services_are_known(memory):
    assert memory.services() == []
    for service in ("web", "a/b c"):
        memory.save(replace(KNOWN, service=service))
    (memory.directory / "other").touch()
    assert memory.services() == ["a/b c", "web"]
    assert memory.load("a/b c")[0].service == "a/b c"


def test_its_age_counts_from_the_last_confirmation(memory):
    memory.save(KNOWN)
    os.utime(memory.path("web"), (0, time.time() - 3600))
    assert 3600 <= memory.load("web")[1] < 3605
    memory.confirm("web")
    assert memory.load("web")[1] < 5


def test_each_service_has_a_file_inside_the_directory(memory):
    for service in ("web", "../web", "a/b", "."):
        memory.save(replace(KNOWN, service=service))
    assert {path.parent for path in map(memory.path, ("web", "../web", "a/b", "."))} == {memory.directory}
    assert memory.load("a/b")[0].service == "a/b"
    assert len(os.listdir(memory.directory)) == 4


def test_an_empty_store_restores_nothing(memory):
    assert memory.load("web") is None
    memory.save(snapshot())
    assert memory.load("web") is None


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda content: b"", "expected a first line that begins with 'pylb snapshot 2'"),
        (lambda content: b"\x7fELF" + content, "expected a first line"),
        (lambda content: content[:-1], "the checksum does not match"),
        (lambda content: content.replace(b"9001", b"9009"), "the checksum does not match"),
        (lambda content: content.replace(b"snapshot 2", b"snapshot 1"), "expected a first line"),
    ],
)
def test_a_corrupt_file_is_ignored_with_one_line(memory, caplog, spoil, complaint):
    memory.save(KNOWN)
    path = memory.path("web")
    path.write_bytes(spoil(path.read_bytes()))
    assert [memory.load("web") for _ in range(2)] == [None, None]
    (line,) = caplog.messages
    assert line.startswith(f"{path} is ignored: ")
    assert complaint in line


def test_the_file_of_another_service_is_ignored(memory, caplog):
    memory.save(KNOWN)
    memory.path("web").rename(memory.path("shop"))
    assert memory.load("shop") is None
    assert "expected service 'shop', got 'web'" in caplog.text


@given(st.binary())
def test_any_content_is_restored_or_rejected(content):
    with pytest.raises(ValueError, match=r"expected|checksum"):
        read(content, "web")


def test_a_full_disk_is_logged_once_and_keeps_the_last_state(memory, caplog):
    memory.save(KNOWN)
    memory.directory.rename(memory.directory.with_name("gone"))
    for _ in range(3):
        memory.save(snapshot(1))
    (line,) = caplog.messages
    assert line.endswith("cannot be written: No such file or directory")


def test_an_unusable_directory_prevents_the_start(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StartError, match=r"--state-dir: cannot create .*/file/state: Not a directory"):
        SnapshotStore(str(tmp_path / "file" / "state"))
