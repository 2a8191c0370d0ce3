"""Which tiers receive the traffic: Envoy's table, and what holds for every state of a pool."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pylb.errors import Fault, Phase, ProxyError
from pylb.model import Excluded, Overlay, PoolState
from pylb.policy.backend import Backend, State
from pylb.policy.tiers import RETURN_TIME, Tiers, availabilities, excluded_weights, rank, traffic_shares
from tests.policy.backends import endpoint, web_pool

UNREACHABLE = ProxyError(Phase.CONNECT, Fault.UPSTREAM, "refused")
BEST, NEXT = (0, False), (1, False)
HEALTH = st.lists(st.floats(0, 1), min_size=1, max_size=5)


def of_health(*percents):
    """The shares in percent, as Envoy's documentation has them."""
    parts = traffic_shares({tier: min(1.0, 1.4 * percent / 100) for tier, percent in enumerate(percents)})
    return tuple(round(100 * part) for part in parts.values())


@pytest.mark.parametrize(
    ("health", "traffic"),
    [
        ((100, 100), (100, 0)),
        ((72, 100), (100, 0)),
        ((71, 100), (99, 1)),
        ((50, 100), (70, 30)),
        ((25, 100), (35, 65)),
        ((0, 100), (0, 100)),
        ((100, 100, 100), (100, 0, 0)),
        ((50, 50, 100), (70, 30, 0)),
        ((25, 100, 100), (35, 65, 0)),
        ((25, 25, 100), (35, 35, 30)),
        ((25, 25, 20), (36, 36, 29)),
        ((0, 0), (0, 0)),
    ],
)
def test_the_shares_are_those_of_envoy(health, traffic):
    assert of_health(*health) == traffic


@given(HEALTH)
def test_shares_are_everything_or_nothing(available):
    parts = traffic_shares(dict(enumerate(available)))
    assert sum(parts.values()) == pytest.approx(1.0 if any(available) else 0.0, abs=1e-6)
    assert all(part <= 1 + 1e-9 for part in parts.values())


@given(HEALTH, st.data())
def test_a_healthier_tier_never_receives_less(available, data):
    tier = data.draw(st.integers(0, len(available) - 1))
    better = [*available]
    better[tier] = data.draw(st.floats(available[tier], 1))
    before, after = traffic_shares(dict(enumerate(available))), traffic_shares(dict(enumerate(better)))
    assert after[tier] >= before[tier] - 1e-9


def backends(*tiers):
    """Backends of these priorities."""
    return [Backend(endpoint(number, priority=tier)) for number, tier in enumerate(tiers, 1)]


def test_availability_is_by_weight():
    light, heavy = Backend(endpoint(1)), Backend(endpoint(2, weight=9))
    light.state = State.EJECTED
    assert availabilities([light, heavy], {}) == {BEST: 1.0}
    light.state, heavy.state = State.UP, State.EJECTED
    assert availabilities([light, heavy], {}) == {BEST: pytest.approx(0.14)}


def test_the_priority_precedes_the_zone():
    members = backends(0, 0, 1, 1)
    for each in members[1::2]:
        each.overlay = Overlay(other_zone=True)
    assert (
        [*map(rank, members)] == [(0, False), (0, True), (1, False), (1, True)] == sorted(map(rank, members))
    )
    tiers = Tiers()
    tiers.update(members, 0.0)
    assert [*tiers.shares.values()] == [1, 0, 0, 0]
    members[0].state = State.EJECTED
    tiers.update(members, 1.0)
    assert [*tiers.shares.values()] == [0, 1, 0, 0]


def failing(number, cause="critical", **fields):
    return Excluded(endpoint(number, **fields), cause, cause=cause)


def test_excluded_instances_are_capacity_of_their_tier():
    excluded = (failing(2, weight=3), failing(3, priority=1), failing(4, "duplicate"), failing(5, "invalid"))
    elsewhere = failing(6, zone="b")
    overlays = ((elsewhere.endpoint.key, Overlay(other_zone=True)),)
    found = excluded_weights(PoolState("web", (), (*excluded, elsewhere), overlays=overlays))
    assert found == {BEST: 3, NEXT: 1, (0, True): 1}
    assert availabilities(backends(0), {BEST: 3}) == {BEST: pytest.approx(0.35)}


def test_a_tier_that_the_registry_excludes_receives_its_traffic_later():
    best, standby = endpoint(1), endpoint(2, priority=1)
    members = backends(0, 1)
    tiers = Tiers()
    tiers.update(members, 0.0)
    tiers.apply(PoolState("web", (standby,), (Excluded(best, "critical", cause="critical"),)))
    tiers.update(members[1:], 1.0)
    assert tiers.shares == {BEST: 0, NEXT: 1}
    tiers.apply(PoolState("web", (best, standby)))
    tiers.update(members, 2.0)
    assert tiers.shares == {BEST: 0, NEXT: 1}
    tiers.update(members, 2.1 + RETURN_TIME)
    assert tiers.shares == {BEST: 1, NEXT: 0}


def test_one_priority_has_no_tiers():
    tiers = Tiers()
    tiers.update(backends(3, 3), 0.0)
    assert (tiers.shares, tiers.recovering) == ({}, False)


def test_a_tier_that_recovers_receives_its_traffic_later():
    best, standby = members = backends(0, 1)
    tiers = Tiers()
    tiers.update(members, 0.0)
    assert tiers.shares == {BEST: 1, NEXT: 0}
    best.state = State.EJECTED
    tiers.update(members, 1.0)
    assert tiers.shares == {BEST: 0, NEXT: 1}
    best.state = State.UP
    for seconds, returned in ((0.0, 0), (RETURN_TIME - 0.1, 0), (RETURN_TIME + 0.1, 1)):
        tiers.update(members, 2.0 + seconds)
        assert tiers.shares == {BEST: returned, NEXT: 1 - returned}
        assert tiers.recovering is not bool(returned)
    assert standby.state is State.UP


def test_a_tier_that_flaps_begins_again():
    best, _ = members = backends(0, 1)
    tiers = Tiers()
    for now, state in ((0, State.UP), (1, State.EJECTED), (2, State.UP), (8, State.EJECTED), (9, State.UP)):
        best.state = state
        tiers.update(members, float(now))
    tiers.update(members, 2.1 + RETURN_TIME)
    assert tiers.shares == {BEST: 0, NEXT: 1}
    tiers.update(members, 9.1 + RETURN_TIME)
    assert tiers.shares == {BEST: 1, NEXT: 0}


def test_a_tier_that_is_needed_receives_its_traffic_at_once():
    best, standby = members = backends(0, 1)
    tiers = Tiers()
    tiers.update(members, 0.0)
    best.state = State.EJECTED
    tiers.update(members, 1.0)
    best.state, standby.state = State.UP, State.EJECTED
    tiers.update(members, 2.0)
    assert tiers.shares == {BEST: 1, NEXT: 0}


class Service:
    """A pool of three backends and two standbys."""

    def __init__(self, **options):
        self.now = 100.0
        self.pool = web_pool(clock=lambda: self.now, **options)
        self.endpoints = tuple(endpoint(n, priority=int(n > 3)) for n in range(1, 6))
        self.pool.apply(PoolState("web", self.endpoints))

    def fail(self, *numbers):
        for backend in self.pool.backends.values():
            if backend.endpoint in [self.endpoints[n - 1] for n in numbers]:
                backend.state = State.FAILED
        self.pool.rebuild()

    def lose_best_tier(self):
        """Let requests find out that no backend of the best tier accepts a connection."""
        best = [b for b in self.pool.backends.values() if b.endpoint.priority == 0]
        while any(backend.state is State.UP for backend in best):
            with self.pool.lease((), self.now) as lease:
                if lease.backend in best:
                    lease.error = UNREACHABLE

    def tiers(self, count=400):
        """The part of the requests that each tier receives."""
        found = [self.pool.lease((), self.now).backend.endpoint.priority for _ in range(count)]
        return {tier: found.count(tier) / count for tier in sorted(set(found))}


def test_a_standby_receives_nothing_while_its_better_tier_is_well():
    service = Service()
    assert service.tiers() == {0: 1.0}
    service.fail(1)
    assert service.tiers()[0] == pytest.approx(1.4 * 2 / 3, abs=0.05)


@pytest.mark.parametrize("policy", ["least-connections", "round-robin", "random-two", "random", "hash"])
def test_a_standby_replaces_a_failed_tier_under_every_policy(policy):
    service = Service(policy=policy)
    service.fail(1, 2)
    assert service.tiers() == pytest.approx({0: 0.47, 1: 0.53}, abs=0.1)
    service.fail(3)
    assert service.tiers() == {1: 1.0}
    assert not service.pool.panics, "the standbys are enough"


def test_a_pool_without_a_healthy_tier_panics():
    service = Service()
    service.fail(1, 2, 3, 4, 5)
    assert service.pool.panics
    assert service.tiers().keys() == {0, 1}


def test_a_new_standby_takes_no_first_request():
    service = Service()
    service.pool.apply(PoolState("web", (*service.endpoints, endpoint(9, priority=1))))
    assert service.tiers() == {0: 1.0}


def test_a_half_open_standby_has_no_trial_while_it_is_not_needed():
    service = Service(panic_threshold=0)
    standby = next(b for b in service.pool.backends.values() if b.endpoint.priority)
    standby.state = State.HALF_OPEN
    service.pool.rebuild()
    assert service.pool.half_open == []
    service.fail(1, 2, 3)
    assert service.pool.half_open == [standby]


def test_failed_attempts_reach_the_standbys():
    service = Service()
    service.lose_best_tier()
    assert service.tiers() == {1: 1.0}


def test_the_tier_returns_with_time():
    service = Service(suspect_time=1.0)
    service.lose_best_tier()
    service.now += 1.1
    service.pool.tick(service.now)
    for _ in range(3):
        with service.pool.lease((), service.now) as lease:
            lease.status = 200
    assert service.tiers() == {1: 1.0}
    service.now += RETURN_TIME + 0.1
    service.pool.tick(service.now)
    assert service.tiers() == {0: 1.0}


def test_a_changed_priority_takes_effect():
    service = Service()
    swapped = tuple(replace(each, priority=1 - each.priority) for each in service.endpoints)
    service.pool.apply(PoolState("web", swapped))
    assert {b.endpoint.id for b in service.pool.eligible} == {"web-4", "web-5"}
