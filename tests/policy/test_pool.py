from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest

from pylb.errors import ProxyError
from pylb.model import Excluded, PoolState
from pylb.policy.backend import State
from pylb.policy.balance import BALANCERS
from pylb.policy.lease import Lease
from tests.every import every
from tests.policy.backends import endpoint, web_pool

WEB = [endpoint(number) for number in range(5)]


def snapshot(*endpoints, excluded=()):
    return PoolState("web", endpoints, tuple(excluded))


def pool_of(*endpoints, **options):
    pool = web_pool(rng=Random(1), **options)
    pool.apply(snapshot(*endpoints))
    return pool


def only(pool):
    (backend,) = pool.backends.values()
    return backend


class TestApply:
    def test_new_instances_are_added(self):
        pool = web_pool()
        change = pool.apply(snapshot(WEB[1], WEB[2]))
        assert [b.endpoint for b in change.added] == [WEB[1], WEB[2]]
        assert pool.eligible == change.added
        assert str(change) == "+web-1 +web-2"

    def test_the_same_again_changes_nothing(self):
        pool = pool_of(WEB[1], WEB[2])
        before = pool.eligible
        change = pool.apply(snapshot(WEB[1], WEB[2]))
        assert not change
        assert pool.eligible is before

    def test_a_change_of_weight_keeps_the_backend(self):
        pool = pool_of(WEB[1])
        backend = only(pool)
        backend.idle.append("connection")
        with pool.lease():
            change = pool.apply(snapshot(replace(WEB[1], weight=4)))
            assert only(pool) is backend
            assert (backend.weight, backend.inflight, backend.idle) == (4, 1, ["connection"])
        assert (change.updated, str(change)) == ((backend,), "~web-1")

    def test_a_change_of_tags_does_not_disturb_the_rotation(self):
        pool = pool_of(*WEB[:3], policy="round-robin")
        order = [pool.lease().backend.name for _ in range(6)]
        pool.apply(snapshot(*(replace(web, tags=("v2",)) for web in WEB[:3])))
        assert [pool.lease().backend.name for _ in range(6)] == order

    def test_a_change_of_weight_counts_at_once(self):
        pool = pool_of(*WEB[:2], policy="round-robin")
        pool.apply(snapshot(WEB[0], replace(WEB[1], weight=9)))
        names = [pool.lease().backend.name for _ in range(100)]
        assert 88 <= names.count(WEB[1].authority) <= 92

    def test_a_new_address_is_a_new_backend_and_the_old_one_drains(self):
        pool = pool_of(WEB[1])
        old = only(pool)
        with pool.lease() as lease:
            change = pool.apply(snapshot(replace(WEB[1], address="10.9.9.9")))
            new = only(pool)
            assert new is not old
            assert (change.added, change.removed) == ((new,), (old,))
            assert (lease.backend, old.state, new.inflight) == (old, State.DRAINING, 0)
        assert old.state is State.GONE

    def test_a_new_port_is_a_new_backend_too(self):
        pool = pool_of(WEB[1])
        old = only(pool)
        assert pool.apply(snapshot(replace(WEB[1], port=81))).removed == (old,)

    def test_an_instance_that_returns_while_draining_goes_on(self):
        pool = pool_of(WEB[1], WEB[2])
        with pool.lease() as lease:
            backend = lease.backend
            rest = [web for web in WEB[1:3] if web != backend.endpoint]
            pool.apply(snapshot(*rest))
            assert backend in pool.draining.values()
            change = pool.apply(snapshot(*rest, replace(backend.endpoint, weight=2)))
            assert change.added == (backend,)
            assert (backend.state, backend.inflight, backend.weight) == (State.UP, 1, 2)
            assert backend in pool.eligible
            assert not pool.draining
        assert (backend.state, backend.inflight) == (State.UP, 0)

    def test_one_that_had_drained_returns_as_new(self):
        pool = pool_of(WEB[1])
        old = only(pool)
        pool.apply(snapshot())
        assert old.state is State.GONE
        pool.apply(snapshot(WEB[1]))
        assert only(pool) is not old

    def test_an_instance_listed_twice_is_one_backend_as_described_last(self):
        pool = pool_of(WEB[1], replace(WEB[1], weight=3))
        assert only(pool).weight == 3
        assert len(pool.eligible) == 1

    def test_nothing_changes_if_counters_cannot_be_had(self):
        full = RuntimeError("no slot left")

        def counters(endpoint):
            if endpoint is WEB[3]:
                raise full

        pool = pool_of(WEB[1], WEB[2], counters=counters)
        before = pool.backends.copy()
        with pytest.raises(RuntimeError):
            pool.apply(snapshot(WEB[2], WEB[3]))
        assert pool.backends == before
        assert all(backend.state is State.UP for backend in before.values())

    def test_counters_are_asked_for_once_per_backend(self):
        asked = []
        pool = pool_of(WEB[1], counters=asked.append)
        pool.apply(snapshot(WEB[1], WEB[2]))
        assert asked == [WEB[1], WEB[2]]


class TestLease:
    def test_a_request_is_in_flight_from_with_to_its_end(self):
        pool = pool_of(WEB[1])
        backend = only(pool)
        lease = pool.lease()
        assert (backend.inflight, backend.load) == (0, 0)
        with lease:
            assert (backend.inflight, backend.load) == (1, 1)
        assert (backend.inflight, backend.load) == (0, 0)

    @pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, GeneratorExit])
    def test_it_ends_with_any_exception(self, error):
        pool = pool_of(WEB[1])
        with pytest.raises(error), pool.lease():
            raise error
        assert (only(pool).inflight, only(pool).load) == (0, 0)

    def test_a_draining_backend_is_forgotten_with_its_last_request(self):
        pool = pool_of(WEB[1])
        backend = only(pool)
        with pool.lease():
            with pool.lease():
                pool.apply(snapshot())
            assert backend.state is State.DRAINING
            assert list(pool.draining.values()) == [backend]
        assert backend.state is State.GONE
        assert not pool.draining

    @pytest.mark.parametrize("policy", BALANCERS)
    def test_weight_zero_is_never_picked(self, policy):
        pool = pool_of(WEB[1], replace(WEB[2], weight=0), WEB[3], policy=policy)
        assert {pool.lease().backend.endpoint.id for _ in range(100)} == {"web-1", "web-3"}

    def test_weight_zero_can_come_and_go(self):
        pool = pool_of(WEB[1], WEB[2])
        pool.apply(snapshot(replace(WEB[1], weight=0), WEB[2]))
        assert [b.endpoint.id for b in pool.eligible] == ["web-2"]
        pool.apply(snapshot(*WEB[1:3]))
        assert [b.endpoint.id for b in pool.eligible] == ["web-1", "web-2"]

    @every("policy", BALANCERS)
    @every("size", [2, 5, 40])
    def test_what_was_tried_is_avoided_while_there_is_another(self, policy, size):
        pool = pool_of(*(endpoint(number, weight=1 + number % 4) for number in range(size)), policy=policy)
        tried = []
        for _ in range(size):
            tried.append(pool.lease(tried).backend)
        assert set(tried) == set(pool.eligible)
        assert pool.lease(tried).backend in tried

    @pytest.mark.parametrize("policy", BALANCERS)
    def test_even_the_heaviest_and_least_loaded_is_avoided(self, policy):
        pool = pool_of(replace(WEB[1], weight=1000), WEB[2], WEB[3], policy=policy)
        heavy, *others = pool.eligible
        for backend in others:
            backend.count(+50)
        assert {pool.lease([heavy]).backend for _ in range(50)} <= set(others)

    def test_a_retry_goes_to_the_less_loaded_of_the_others(self):
        pool = pool_of(*WEB[1:4])
        tried, busy, free = pool.eligible
        busy.count(+2)
        free.count(+1)
        assert {pool.lease([tried]).backend for _ in range(20)} == {free}


class TestNewcomers:
    @pytest.mark.parametrize("policy", BALANCERS)
    def test_each_gets_the_next_request_however_many_others_there_are(self, policy):
        many = [endpoint(number) for number in range(300)]
        pool = pool_of(*many, policy=policy, slow_start=10.0)
        pool.apply(snapshot(*many, *(new := [endpoint(number) for number in (300, 301)])))
        assert pool.upcoming().endpoint == new[0]
        leases = [pool.lease() for _ in range(2)]
        assert [lease.backend.endpoint for lease in leases] == new
        assert pool.upcoming() is not leases[0].backend

    def test_those_that_a_pool_begins_with_are_not_new(self):
        pool = web_pool(policy="round-robin", rng=Random(1))
        pool.apply(snapshot(*WEB[:3]))
        order = [pool.lease().backend.endpoint for _ in range(6)]
        assert order[:3] == order[3:]

    def test_who_may_not_be_picked_or_has_left_is_not_introduced(self):
        pool = pool_of(WEB[0])
        pool.apply(snapshot(WEB[0], replace(WEB[1], weight=0), WEB[2]))
        pool.apply(snapshot(WEB[0], replace(WEB[1], weight=0)))
        assert [pool.lease().backend.endpoint for _ in range(4)] == [WEB[0]] * 4

    def test_who_got_one_that_had_waited_is_known(self):
        pool = pool_of(WEB[0])
        pool.apply(snapshot(*WEB[:2]))
        new = pool.backends[WEB[1].key, WEB[1].authority]
        with Lease(pool, new, 0.0):
            assert pool.upcoming().endpoint == WEB[0]
            assert pool.lease().backend.endpoint == WEB[0]
        assert not pool.untested


class TestWhyEmpty:
    def rejection(self, pool):
        with pytest.raises(ProxyError) as unreachable:
            pool.lease()
        assert unreachable.value.status == 503
        return unreachable.value.detail

    def test_no_answer_yet(self):
        assert self.rejection(web_pool()) == "service 'web': the registry has not answered yet"

    def test_known_to_be_empty(self):
        assert self.rejection(pool_of()) == "service 'web': the registry lists no instance"

    def test_all_excluded(self):
        pool = web_pool()
        critical = Excluded(WEB[1], "critical: connection refused")
        pool.apply(snapshot(replace(WEB[2], weight=0), excluded=[critical]))
        why = "(web-1: critical: connection refused; web-2: weight 0)"
        assert self.rejection(pool) == f"service 'web': no instance is eligible {why}"

    def test_thousands_excluded_stay_one_short_line(self):
        pool = web_pool()
        pool.apply(snapshot(excluded=[Excluded(endpoint(number), "maintenance") for number in range(1000)]))
        assert self.rejection(pool).endswith("web-4: maintenance; 995 more)")


def test_repr_shows_the_state():
    pool = pool_of(*WEB[:3])
    with pool.lease() as lease:
        pool.apply(snapshot(*(web for web in WEB[:3] if web != lease.backend.endpoint)))
        pool.eligible[0].idle.append("connection")
        with pool.lease():
            assert repr(pool) == "<Pool web: 2 up, 1 draining | 2 active, 1 idle>"


def test_denied_retries_are_counted():
    pool = pool_of(WEB[1], clock=lambda: 0.0)
    afforded = [pool.afford_retry() for _ in range(100)]
    assert pool.events["retry_denied"] == afforded.count(False)
    assert {True, False} == set(afforded)


def test_a_snapshot_can_set_the_policy():
    pool = web_pool(policy="round-robin", rng=Random(1))
    three = PoolState("web", tuple(endpoint(n) for n in (1, 2, 3)))
    pool.apply(three)
    first = [pool.lease().backend for _ in range(6)]
    assert first[:3] == first[3:]
    pool.apply(replace(three, policy="random"))
    assert pool.policy == "random"
    chosen = [pool.lease().backend for _ in range(60)]
    assert any(one is other for one, other in pairwise(chosen)), "not one after the other"
    pool.apply(three)
    assert pool.policy == "round-robin"
    last = [pool.lease().backend for _ in range(6)]
    assert last[:3] == last[3:]


@pytest.mark.parametrize("policy", BALANCERS)
def test_preview_returns_the_next_backend_without_side_effects(policy):
    asked, left_alone = (web_pool(policy=policy, rng=Random(1)) for _ in range(2))
    for pool in (asked, left_alone):
        pool.apply(PoolState("web", tuple(replace(endpoint(n), weight=n) for n in range(1, 6))))
    for _ in range(100):
        expected = asked.upcoming()
        assert asked.lease().backend is expected
        assert left_alone.lease().backend.name == expected.name
