from collections import Counter
from heapq import heapify, heapreplace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pylb.policy.balance.edf import initial_deadlines
from tests.policy.backends import surprise


def served(weights, rng, count):
    """Serve by these turns, in the plainest way there is."""
    turns = [(turn, member) for member, turn in enumerate(initial_deadlines(weights, rng))]
    heapify(turns)
    for _ in range(count):
        turn, member = turns[0]
        heapreplace(turns, (turn + 1 / weights[member], member))
        yield member


def test_an_empty_schedule_can_be_built():
    assert initial_deadlines([], Random(1)) == []


@given(st.lists(st.floats(0.01, 1000), min_size=1, max_size=20), st.randoms(use_true_random=False))
def test_each_member_is_due_within_its_first_interval(weights, rng):
    turns = initial_deadlines(weights, rng)
    assert turns.count(0.0) >= 1
    assert all(0 <= turn <= 1 / weight for turn, weight in zip(turns, weights, strict=True))


@pytest.mark.parametrize("weights", [(5, 1, 1), (1, 2, 3, 4), (0.1, 1, 1, 1), (100, 1)])
def test_first_picks_follow_the_weights(weights):
    """Rebuilt for every few picks, a schedule must still give each member its share."""
    rng = Random(7)
    runs = [tuple(served(weights, rng, 4)) for _ in range(20_000)]
    for place in range(4):
        counts = Counter(run[place] for run in runs)
        assert surprise([counts[member] for member in range(len(weights))], weights) < 6
