from collections import Counter
from random import Random

from hypothesis import example, given
from hypothesis import strategies as st

from pylb.policy.balance.random import PowerOfTwo, RandomChoice
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


@given(WEIGHTS, NUMBERS, NUMBERS)
@example([1.2043133167051963, 255], 0.5, 0.9999999999999998)
def test_the_two_drawn_backends_differ(weights, one, other):
    pool = backends(*weights)
    (first,) = take(PowerOfTwo(pool, Scripted(one, other)), 1)
    pool[first].count(+1)
    (second,) = take(PowerOfTwo(pool, Scripted(one, other)), 1)
    assert first != second or len(weights) == 1


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


def test_the_less_loaded_of_two_is_picked():
    """With all but one busy, that one is taken whenever it is among the two drawn: 2 of 5 times."""
    pool = backends(1, 1, 1, 1, 1)
    for backend in pool[1:]:
        backend.count(+1)
    counts = Counter(take(PowerOfTwo(pool, Random(5)), 10_000))
    assert 3800 < counts[0] < 4200


def test_load_is_relative_to_weight():
    heavy, light = pool = backends(10, 1)
    heavy.count(+9)
    light.count(+1)
    assert set(take(PowerOfTwo(pool, Random(1)), 100)) == {0}
    heavy.count(+2)
    assert set(take(PowerOfTwo(pool, Random(1)), 100)) == {1}


def test_two_choices_are_much_more_even_than_one():
    """10,000 lasting connections over 100 backends: log log n above the mean instead of its square root."""
    busiest = {}
    for policy in (RandomChoice, PowerOfTwo):
        pool = backends(*[1] * 100)
        balancer = policy(pool, Random(11))
        for _ in range(10_000):
            balancer.pick().count(+1)
        busiest[policy] = max(backend.inflight for backend in pool)
    assert busiest[PowerOfTwo] <= 104
    assert busiest[RandomChoice] >= 120
