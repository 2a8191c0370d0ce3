import pytest

from pylb.model import Endpoint, Excluded, PoolState
from pylb.observe.counter_layout import ATTEMPTS, CODES
from pylb.observe.counters import Counters, SharedCounters
from pylb.policy.pool import Pool
from pylb.tools.demo.scoreboard import Row, Scoreboard


class Balanced:
    """A pool whose requests a test counts by hand."""

    def __init__(self):
        self.counters = Counters(SharedCounters(), lambda: 0.0)
        self.pool = Pool("web")
        self.board = Scoreboard(self.pool, self.counters)
        self._generation = 0

    def instances(self, *ids, excluded=()):
        """Let the registry know these, and say of `excluded` why they are not used."""
        self._generation += 1
        endpoints = tuple(Endpoint("web", "h", int(i[4:]), id=i) for i in ids)
        out = tuple(Excluded(Endpoint("web", "h", int(i[4:]), id=i), why) for i, why in excluded)
        change = self.pool.apply(PoolState("web", endpoints, out, generation=self._generation))
        for backend in change.added:
            backend.counters = self.counters.allocate(backend.endpoint)

    def answer(self, instance, count=1, code="2xx"):
        for backend in (*self.pool.backends.values(), *self.pool.draining.values()):
            if backend.endpoint.id == instance:
                backend.counters[ATTEMPTS] += count
                backend.counters[CODES.index(code)] += count

    def shares(self, now=0.0):
        return {row.name: row.share for row in self.board.read(now).rows}


@pytest.fixture
def balanced():
    return Balanced()


def test_before_the_first_snapshot_there_are_no_rows(balanced):
    summary = balanced.board.read(0.0)
    assert (summary.rows, summary.requests, summary.errors, summary.rate) == ((), 0, 0, 0.0)


def test_instances_are_sorted_by_number(balanced):
    balanced.instances("web-10", "web-2", "web-1")
    assert [row.name for row in balanced.board.read(0.0).rows] == ["web-1", "web-2", "web-10"]


def test_requests_are_counted_per_instance_and_in_total(balanced):
    balanced.instances("web-1", "web-2")
    balanced.answer("web-1", 3)
    balanced.answer("web-2", 2, code="5xx")
    summary = balanced.board.read(0.0)
    assert summary.rows[0] == Row("web-1", "h:1", "up", up=True, requests=3, share=0.6)
    assert summary.rows[1] == Row("web-2", "h:2", "up", up=True, requests=2, share=0.4)
    assert (summary.requests, summary.errors) == (5, 2)


def test_shares_restart_after_each_change_of_instances(balanced):
    balanced.instances("web-1")
    balanced.answer("web-1", 1000)
    assert balanced.shares() == {"web-1": 1.0}
    balanced.instances("web-1", "web-2")
    assert balanced.shares() == {"web-1": None, "web-2": None}
    balanced.answer("web-1", 5)
    balanced.answer("web-2", 5)
    assert balanced.shares() == {"web-1": 0.5, "web-2": 0.5}


def test_a_draining_instance_is_shown_until_its_last_request_has_ended(balanced):
    balanced.instances("web-1", "web-2")
    with balanced.pool.lease() as one, balanced.pool.lease() as other:
        leaving = one if one.backend.endpoint.id == "web-2" else other
        assert leaving.backend.endpoint.id == "web-2"
        balanced.instances("web-1")
        row = balanced.board.read(0.0).rows[1]
        assert (row.name, row.state, row.up, row.in_flight) == ("web-2", "draining", False, 1)
    assert [row.name for row in balanced.board.read(0.0).rows] == ["web-1"]


def test_an_excluded_instance_has_its_reason(balanced):
    balanced.instances("web-1", excluded=[("web-2", "critical: connection refused")])
    excluded = Row("web-2", "h:2", "excluded", up=False, reason="critical: connection refused")
    assert balanced.board.read(0.0).rows[1] == excluded


def test_requests_of_removed_instances_remain_in_the_total(balanced):
    balanced.instances("web-1", "web-2")
    balanced.answer("web-2", 7)
    gone = next(b for b in balanced.pool.backends.values() if b.endpoint.id == "web-2")
    balanced.instances("web-1")
    balanced.counters.release(gone.endpoint)
    assert balanced.board.read(0.0).requests == 7


def test_the_rate_covers_the_last_two_seconds(balanced):
    balanced.instances("web-1")
    rates = []
    for tenth in range(80):
        balanced.answer("web-1", 10 if tenth < 40 else 0)
        rates.append(balanced.board.read(tenth / 10).rate)
    assert rates[0] == 0.0
    assert rates[5:40] == pytest.approx([100] * 35)
    assert rates[50] == pytest.approx(50, abs=5)
    assert rates[65:] == [0.0] * 15
