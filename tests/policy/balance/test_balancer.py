"""What every policy must do, whatever else it does."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pylb.policy.balance import BALANCERS
from tests.policy.backends import backends, surprise, take

WEIGHTS = st.lists(st.integers(1, 50) | st.floats(0.1, 50), min_size=1, max_size=40)


@pytest.fixture(params=BALANCERS)
def policy(request):
    return BALANCERS[request.param]


@given(weights=WEIGHTS, seed=st.integers())
@pytest.mark.parametrize("name", BALANCERS)
def test_only_given_backends_are_picked(name, weights, seed):
    pool = backends(*weights)
    balancer = BALANCERS[name](pool, Random(seed))
    assert all(balancer.pick() in pool for _ in range(100))


@given(weights=WEIGHTS, seed=st.integers())
@pytest.mark.parametrize("name", BALANCERS)
def test_the_same_seed_gives_the_same_picks(name, weights, seed):
    one, other = (take(BALANCERS[name](backends(*weights), Random(seed)), 50) for _ in range(2))
    assert one == other


def test_different_seeds_give_different_picks(policy):
    runs = {tuple(take(policy(backends(*[1] * 8), Random(seed)), 8)) for seed in range(100)}
    assert len(runs) > 5


def test_an_empty_balancer_can_be_built(policy):
    policy((), Random(1))


def test_one_backend_is_always_picked(policy):
    assert set(take(policy(backends(3), Random(1)), 20)) == {0}


@pytest.mark.parametrize("weights", [(1,) * 5, (3, 2, 1), (0.5, 1, 2.5), tuple(range(1, 31))])
def test_an_idle_pool_is_shared_by_weight(policy, weights):
    counts = Counter(take(policy(backends(*weights), Random(9)), 10_000))
    assert surprise([counts[number] for number in range(len(weights))], weights) < 6


@pytest.mark.parametrize("weights", [(1,) * 16, (10, *[1] * 10), tuple(range(1, 41))])
def test_every_backend_is_picked(policy, weights):
    assert set(take(policy(backends(*weights), Random(9)), 40 * sum(weights))) == set(range(len(weights)))


def test_the_given_sequence_is_not_modified(policy):
    pool = backends(1, 2, 3)
    before = list(pool)
    take(policy(pool, Random(1)), 30)
    assert pool == before
