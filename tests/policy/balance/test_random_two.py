from collections import Counter
from random import Random

from hypothesis import example, given

from pylb.policy.balance.random import RandomChoice
from pylb.policy.balance.random_two import PowerOfTwo
from tests.policy.backends import backends, take
from tests.policy.balance.test_random import NUMBERS, WEIGHTS, Scripted


@given(WEIGHTS, NUMBERS, NUMBERS)
@example([1.2043133167051963, 255], 0.5, 0.9999999999999998)
def test_the_two_drawn_backends_differ(weights, one, other):
    pool = backends(*weights)
    (first,) = take(PowerOfTwo(pool, Scripted(one, other)), 1)
    pool[first].count(+1)
    (second,) = take(PowerOfTwo(pool, Scripted(one, other)), 1)
    assert first != second or len(weights) == 1


def test_the_less_loaded_of_two_is_picked():
    """With all but one busy, that one is taken whenever it is among the two drawn: 2 of 5 times."""
    pool = backends(1, 1, 1, 1, 1)
    for backend in pool[1:]:
        backend.count(+1)
    counts = Counter(take(PowerOfTwo(pool, Random(5)), 10_000))
    assert 3800 < counts[0] < 4200


def test_each_of_the_two_is_drawn_by_its_weight():
    """The first one of 1, 2 and 7 is drawn first in 1/10, after the second in 2/10 x 1/8, after the third in
    7/10 x 1/3 of all picks."""
    for place, share in enumerate((1 / 10 + 2 / 80 + 7 / 30, 2 / 10 + 2 / 90 + 14 / 30)):
        pool = backends(1, 2, 7)
        for number, backend in enumerate(pool):
            backend.count(100 * (number != place))
        counts = Counter(take(PowerOfTwo(pool, Random(5)), 10_000))
        assert abs(counts[place] / 10_000 - share) < 0.02


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
