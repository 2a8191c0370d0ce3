from collections import Counter
from types import SimpleNamespace

import pytest

from pylb.config.backends import Health
from pylb.policy.backend import State
from pylb.policy.passive_health import HealthTracker
from tests.policy.backends import backends


@pytest.fixture
def line():
    return backends(1, 1, 1)


@pytest.fixture
def tracker():
    return HealthTracker(Health(), None, Counter(), lambda _: None)


def on_peer_update(tracker, backend, state, since=1.0):
    return tracker.on_peer_update(backend, state, since=since, until=since + 10, unreachable=False, size=3)


def test_the_limit_on_ejections_holds_across_workers(tracker, line):
    assert on_peer_update(tracker, line[0], State.EJECTED)
    assert not on_peer_update(tracker, line[1], State.EJECTED)
    assert [backend.state for backend in line] == [State.EJECTED, State.UP, State.UP]
    assert on_peer_update(tracker, line[1], State.SUSPECT)
    assert on_peer_update(tracker, line[0], State.EJECTED, since=2.0), "again the same one"


def test_a_success_that_began_before_the_ejection_changes_nothing(tracker, line):
    on_peer_update(tracker, line[0], State.EJECTED, since=5.0)
    facts = {"error": None, "status": 200, "reused": False, "answered": True}
    facts |= {"grpc_status": None, "client_gave_up": False, "client_delayed": False}
    assert not tracker.on_attempt(SimpleNamespace(backend=line[0], started=4.0, **facts), 6.0, line)
    assert line[0].state is State.EJECTED


def test_an_outdated_update_is_ignored(tracker, line):
    on_peer_update(tracker, line[0], State.SUSPECT, since=5.0)
    assert not on_peer_update(tracker, line[0], State.UP, since=4.0)
    assert line[0].state is State.SUSPECT


def test_a_removed_backend_does_not_return_after_its_exclusion(tracker, line):
    on_peer_update(tracker, line[0], State.SUSPECT)
    tracker.forget(line[:1])
    assert not tracker.tick(line, 100.0)
    assert line[0].state is State.SUSPECT
