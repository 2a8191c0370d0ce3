from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from pylb.policy.balance.random import RandomChoice
from pylb.policy.balance.random_two import PowerOfTwo
from tests.every import every
from tests.policy.backends import backends, surprise, take

WEIGHTS = st.lists(st.integers(1, 1000) | st.floats(0.01, 1000), min_size=1, max_size=40)


class Scripted(Random):
    """Gives the numbers it was told to."""

    def __init__(self, *numbers):
        super().__init__(0)
        self.numbers = list(numbers)

    def random(self):
        return self.numbers.pop(0)


NUMBERS = st.floats(0, 1, exclude_max=True)


@given(WEIGHTS, NUMBERS)
def test_a_point_selects_the_interval_that_contains_it(weights, number):
    (pick,) = take(RandomChoice(backends(*weights), Scripted(number)), 1)
    point = number * sum(weights)
    slack = 1e-9 * sum(weights)
    assert sum(weights[:pick]) - slack <= point <= sum(weights[: pick + 1]) + slack


@every("number", [0.0, 0.5, 1 - 2**-53])
@every("weights", [(1,), (1, 1, 1), (0.1, 0.2, 0.7), (1e-9, 1e9), (3, 10**15)])
def test_rounding_never_exceeds_the_last_backend(weights, number):
    for policy in (RandomChoice, PowerOfTwo):
        (pick,) = take(policy(backends(*weights), Scripted(number, number)), 1)
        assert 0 <= pick < len(weights)


@every("policy", [RandomChoice, PowerOfTwo])
@every("weights", [(1,) * 10, (5, 1, 1), (100, 1), (0.5, 1, 1.5), tuple(range(1, 30))])
def test_shares_of_an_idle_pool_follow_the_weights(policy, weights):
    counts = Counter(take(policy(backends(*weights), Random(3)), 20_000))
    assert surprise([counts[member] for member in range(len(weights))], weights) < 6
