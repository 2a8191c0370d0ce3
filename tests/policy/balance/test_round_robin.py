from collections import Counter
from random import Random
from statistics import fmean, pvariance

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pylb.policy.balance.round_robin import RoundRobin
from tests.every import every
from tests.policy.backends import backends, gaps, take

WEIGHTS = st.lists(st.integers(1, 20), min_size=1, max_size=30)
FRACTIONS = st.lists(st.floats(0.1, 20), min_size=1, max_size=30)
RANDOM = st.randoms(use_true_random=False)


def nginx(weights, count):
    """The smooth weighted round-robin that nginx is known for, as its authors describe it."""
    current = [0] * len(weights)
    for _ in range(count):
        current = [c + w for c, w in zip(current, weights, strict=True)]
        best = current.index(max(current))
        current[best] -= sum(weights)
        yield best


def irregularity(sequence, weights):
    """How much the gaps between a member's picks vary: 0 if they were all of one length (in picks, rms)."""
    return fmean(pvariance(gaps(sequence, member)) for member in range(len(weights))) ** 0.5


@given(st.integers(1, 50), st.integers(1, 100), RANDOM)
def test_equal_weights_are_a_plain_rotation(size, weight, rng):
    sequence = take(RoundRobin(backends(*[weight] * size), rng), 3 * size)
    assert all(pick == (sequence[0] + place) % size for place, pick in enumerate(sequence))


def test_rotations_start_at_a_random_backend():
    """Many balancers rebuilt at once must not all turn to the same backend."""
    starts = Counter(take(RoundRobin(backends(1, 1, 1, 1), Random(seed)), 1)[0] for seed in range(400))
    assert all(70 < starts[number] < 130 for number in range(4))


@given(WEIGHTS | FRACTIONS, RANDOM)
def test_picks_of_a_backend_are_evenly_spaced(weights, rng):
    """A backend of weight w is picked every W / w picks, give or take one for each other weight there is."""
    sequence = take(RoundRobin(backends(*weights), rng), 2000)
    slack = len(set(weights)) - 1 + 1e-6
    for member, weight in enumerate(weights):
        due = sum(weights) / weight
        assert all(due - slack <= gap <= due + slack for gap in gaps(sequence, member))


@given(WEIGHTS, RANDOM)
def test_every_backend_is_picked(weights, rng):
    turn = sum(weights) + len(set(weights)) * max(weights)
    assert set(take(RoundRobin(backends(*weights), rng), turn)) == set(range(len(weights)))


@given(st.lists(st.integers(1, 20), min_size=1, max_size=12), RANDOM)
def test_shares_are_exact_over_a_whole_cycle(weights, rng):
    cycles = 10
    counts = Counter(take(RoundRobin(backends(*weights), rng), cycles * sum(weights)))
    slack = len(set(weights))
    assert all(abs(counts[member] - cycles * weight) <= slack for member, weight in enumerate(weights))


@every(
    "weights",
    [
        (5, 1, 1),
        (3, 2, 1),
        (7, 7, 1, 1),
        (10, *[1] * 10),
        (9, 8, 5, 3, 6, 5, 8, 4),
        tuple(range(1, 21)),
        (100, 50, 25, 10, 5, 1),
    ],
)
def test_the_sequence_is_as_smooth_as_that_of_nginx(weights):
    count = 20 * sum(weights)
    ours = fmean(
        irregularity(take(RoundRobin(backends(*weights), Random(seed)), count), weights) for seed in range(10)
    )
    assert ours < irregularity(list(nginx(weights, count)), weights) + 0.2


@pytest.mark.parametrize("weights", [(5, 1, 1), (2, 1, 1), (6, 3, 3)])
def test_a_heavy_backend_is_interleaved_with_light_ones(weights):
    for seed in range(50):
        sequence = take(RoundRobin(backends(*weights), Random(seed)), 100)
        light = sum(weights[1:])
        assert max(gaps([pick == 0 for pick in sequence], False)) <= -(-weights[0] // light) + 1
