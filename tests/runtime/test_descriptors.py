import logging
import subprocess
import sys

import pytest

from pylb.runtime import descriptors
from pylb.runtime.descriptors import admissible, log_shortage, most_clients, most_operators


def test_the_soft_limit_becomes_the_hard_one():
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (100, 300));"
        "from pylb.runtime.descriptors import raise_limit;"
        "print(raise_limit(), resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.stdout == "300 (300, 300)\n", ended.stderr


def test_descriptors_allow_a_backend_connection_per_client():
    assert most_clients(1024) == 480
    assert most_clients(10) == 1


def test_the_admin_port_has_a_share_of_the_descriptors():
    assert [most_operators(limit) for limit in (10, 256, 1024, 1 << 20)] == [8, 32, 128, 256]


@pytest.fixture
def thousand(monkeypatch):
    monkeypatch.setattr(descriptors, "raise_limit", lambda: 1024)


def test_the_number_of_clients_is_limited_by_option_and_descriptors(thousand):
    assert [admissible(wanted) for wanted in (0, 100, 480, 481)] == [480, 100, 480, 480]


def test_too_few_descriptors_are_logged(thousand, caplog):
    caplog.set_level(logging.INFO)
    log_shortage(480)
    log_shortage(0)
    assert caplog.messages == []
    log_shortage(481)
    assert caplog.messages == [
        "--max-connections: the limit of 1024 open files (ulimit -n) permits 480 clients per worker, not 481"
    ]
