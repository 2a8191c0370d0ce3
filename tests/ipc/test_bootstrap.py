import os
from dataclasses import replace

import pytest

from pylb.config.variables import CHILD
from pylb.errors import StartError
from pylb.ipc.bootstrap import Bootstrap, new_ticket_keys

GIVEN = Bootstrap(
    name="worker 1",
    number=0,
    workers=2,
    generation=3,
    row=4,
    listening=[],
    supervisor_pipe=0,
    control_socket=0,
    counters=1,
    gauges=1,
    state=[2, 2],
    ticket_keys_file=None,
    layout=7,
)


@pytest.fixture(autouse=True)
def _kept():
    kept = {number: os.get_inheritable(number) for number in range(3)}
    yield
    for number, inheritable in kept.items():
        os.set_inheritable(number, inheritable)


def test_the_bootstrap_data_is_in_one_variable_that_is_not_inherited(monkeypatch):
    for name, value in GIVEN.to_environment().items():
        monkeypatch.setenv(name, value)
    assert Bootstrap.take() == GIVEN
    assert CHILD not in os.environ
    assert not os.get_inheritable(0)


def test_a_process_not_started_by_pylb_ends_with_an_error(monkeypatch):
    monkeypatch.delenv(CHILD, raising=False)
    with pytest.raises(StartError, match="only a running pylb starts this command"):
        Bootstrap.take()


def test_data_of_another_version_is_rejected(monkeypatch):
    monkeypatch.setenv(CHILD, '{"name": "worker 1", "colour": "blue"}')
    with pytest.raises(StartError, match="another version: upgrade it instead"):
        Bootstrap.take()


def test_ticket_keys_are_passed_by_a_descriptor_and_read_once():
    keys = new_ticket_keys()
    secret = os.pread(keys, 100, 0)
    assert len(secret) == 80
    given = replace(GIVEN, ticket_keys_file=os.dup(keys))
    assert given.ticket_keys_file in given.descriptors
    assert secret.hex() not in str(given.to_environment())
    assert given.ticket_keys() == secret
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(given.ticket_keys_file)
    os.close(keys)
    assert GIVEN.ticket_keys() == b""
