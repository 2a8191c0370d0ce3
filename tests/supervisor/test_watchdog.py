from dataclasses import dataclass
from math import inf

import pytest

from pylb.supervisor.watchdog import PERIOD, STARTUP, Watchdog


@dataclass
class Child:
    """One that is as the test says."""

    row: int | None = 0
    served: bool = True
    heartbeat: int = 0
    silence: float = 0.0


class Heartbeats(dict):
    """By row; a child works as long as the number grows."""

    def beat(self, row):
        self[row] = self.get(row, 0) + 250


@pytest.fixture
def heartbeats():
    return Heartbeats({0: 0, 1: 0})


def look(watchdog, children, start, seconds):
    """The first child that hangs and when, if the watchdog looks each second."""
    for now in range(start, start + seconds):
        for child in watchdog.hung(children, float(now)):
            return child, now
    return None


def test_a_child_without_a_heartbeat_hangs_and_one_with_heartbeats_does_not(heartbeats):
    works, hangs = Child(0), Child(1)
    watchdog = Watchdog(10.0, lambda row: heartbeats.beat(0) or heartbeats[row], 0.0)
    heartbeats.beat(1)
    assert look(watchdog, [works, hangs], 0, 100) == (hangs, 11)
    assert works.silence == 0


def test_a_heartbeat_restarts_the_timeout(heartbeats):
    child = Child(0)
    watchdog = Watchdog(10.0, heartbeats.__getitem__, 0.0)
    assert look(watchdog, [child], 0, 10) is None
    heartbeats.beat(0)
    assert look(watchdog, [child], 10, 100) == (child, 21)


def test_a_suspended_machine_does_not_count(heartbeats):
    child = Child(0)
    watchdog = Watchdog(10.0, heartbeats.__getitem__, 0.0)
    assert list(watchdog.hung([child], 3600.0)) == []
    assert child.silence == 2 * PERIOD


def test_a_child_that_is_not_ready_has_a_minute(heartbeats):
    child = Child(0, served=False)
    watchdog = Watchdog(10.0, heartbeats.__getitem__, 0.0)
    assert look(watchdog, [child], 0, 100) == (child, STARTUP + 1)


def test_a_child_without_heartbeats_is_not_watched(heartbeats):
    child = Child(None)
    assert look(Watchdog(10.0, heartbeats.__getitem__, 0.0), [child], 0, 100) is None


def test_without_a_timeout_nothing_is_watched(heartbeats):
    watchdog = Watchdog(None, heartbeats.__getitem__, 0.0)
    assert not watchdog.enabled
    assert Watchdog(10.0, heartbeats.__getitem__, 0.0).enabled
    assert list(watchdog.hung([Child(0, silence=inf)], 1.0)) == []
