from collections import Counter, deque
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pylb.policy.balance.least_connections import (
    SCAN_LIMIT,
    LeastConnections,
    WeightedLeastConnections,
    build,
)
from pylb.policy.balance.random_two import PowerOfTwo
from tests.policy.backends import backends, gaps, surprise, take

RANDOM = st.randoms(use_true_random=False)
POOL = st.lists(
    st.tuples(st.integers(1, 10), st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=SCAN_LIMIT
)
"""Weight, requests here, requests elsewhere."""


def test_small_pools_are_scanned_and_large_ones_sampled():
    assert isinstance(build(backends(*[1] * SCAN_LIMIT), Random(1)), LeastConnections)
    assert isinstance(build(backends(*[1] * (SCAN_LIMIT + 1)), Random(1)), PowerOfTwo)


@given(POOL, RANDOM)
def test_the_least_loaded_backend_is_picked(states, rng):
    pool = backends(*[weight for weight, _, _ in states])
    for backend, (_, here, elsewhere) in zip(pool, states, strict=True):
        backend.count(here)
        backend.on_peer_update(elsewhere)
    balancer = build(pool, rng)
    for _ in range(50):
        picked = balancer.pick()
        assert picked.load == min(b.load for b in pool)
        picked.count(rng.choice([-1, 0, 1]) if picked.inflight else rng.choice([0, 1]))


@given(st.lists(st.integers(1, 20), min_size=1, max_size=SCAN_LIMIT), RANDOM)
def test_ties_in_an_idle_pool_are_resolved_by_smooth_weighted_rotation(weights, rng):
    sequence = take(build(backends(*weights), rng), 1000)
    slack = len(weights) - 1 + 1e-6
    for member, weight in enumerate(weights):
        due = sum(weights) / weight
        assert all(due - slack <= gap <= due + slack for gap in gaps(sequence, member))


@given(st.integers(1, SCAN_LIMIT), st.integers(1, 10), st.integers(0), RANDOM)
def test_ties_are_resolved_by_rotation(size, weight, seed, rng):
    """What is cheaper where weights are equal picks the same as what can do without that."""
    pool = backends(*[weight] * size)
    plain = LeastConnections(pool, Random(seed))
    weighted = WeightedLeastConnections(pool, Random(seed))
    assert type(build(pool, rng)) is LeastConnections
    for _ in range(100):
        picked = plain.pick()
        assert picked is weighted.pick()
        other = rng.choice(pool)
        other.count(-1 if other.inflight else +1)
        picked.count(rng.choice([0, 1]))


@pytest.mark.parametrize("idle", [(0, 1), (3, 4, 9), (0, 7, 8, 15)])
def test_ties_among_busy_backends_are_resolved_fairly(idle):
    """The neighbour of a busy backend must not get its turns as well."""
    weights = [1 + number % 3 for number in range(16)]
    pool = backends(*weights)
    for number, backend in enumerate(pool):
        if number not in idle:
            backend.count(+1)
    cycle = sum(weights[number] for number in idle)
    counts = Counter(take(build(pool, Random(2)), 100 * cycle))
    assert all(abs(counts[number] - 100 * weights[number]) <= 2 for number in idle)
    assert set(counts) == set(idle)


def test_first_picks_of_many_rebuilt_balancers_follow_the_weights():
    weights = (5, 3, 1, 1)
    counts = Counter(take(build(backends(*weights), Random(seed)), 1)[0] for seed in range(5000))
    assert surprise([counts[number] for number in range(4)], weights) < 6


def test_a_backend_that_was_busy_receives_no_burst_later():
    pool = backends(1, 1, 1)
    balancer = build(pool, Random(4))
    pool[0].count(+1)
    assert 0 not in take(balancer, 300)
    pool[0].count(-1)
    assert Counter(take(balancer, 30))[0] in (10, 11)


def test_requests_in_flight_are_proportional_to_weight():
    pool = backends(4, 2, 1, 1)
    balancer = build(pool, Random(6))
    for _ in range(800):
        balancer.pick().count(+1)
    assert [backend.inflight for backend in pool] == [400, 200, 100, 100]


@pytest.mark.parametrize("size", [4, 64])
def test_a_slow_backend_receives_fewer_requests(size):
    """Always twice as many requests under way as there are backends; the first takes ten times as long."""
    pool = backends(*[1] * size)
    balancer = build(pool, Random(8))
    ends = [deque() for _ in pool]
    counts = Counter()
    for now in range(3000):
        for backend, due in zip(pool, ends, strict=True):
            while due and due[0] <= now:
                due.popleft()
                backend.count(-1)
        while sum(backend.inflight for backend in pool) < 2 * size:
            picked = balancer.pick()
            number = pool.index(picked)
            picked.count(+1)
            counts[number] += 1
            ends[number].append(now + (100 if number == 0 else 10))
    others = sum(counts[number] for number in range(1, size)) / (size - 1)
    assert 0 < counts[0] < 0.25 * others
