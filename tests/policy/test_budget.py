from hypothesis import given
from hypothesis import strategies as st

from pylb.policy.budget import CREDIT, RetryBudget


def affordable(budget, requests, in_flight, now, most=10_000):
    """How many retries can be had at this moment."""
    for number in range(most):
        if not budget.spend(requests, in_flight, now):
            return number
    return most


def test_a_few_retries_are_free():
    budget = RetryBudget(20)
    assert affordable(budget, 1, 1, 100.0) == 10
    assert affordable(budget, 1, 1, 102.0) == 0
    assert affordable(budget, 1, 1, 105.0) == 5
    assert affordable(budget, 1, 1, 105.9) == 2
    assert affordable(budget, 1, 1, 200.0) == 10


def test_all_requests_of_a_dead_backend_can_be_retried():
    budget = RetryBudget(20)
    assert affordable(budget, 1000, 64, 100.0) == 64
    assert affordable(budget, 1320, 64, 100.1) == 0  # that many have paid for those
    assert affordable(budget, 1330, 64, 100.1) == 2


def test_a_budget_of_0_percent_allows_only_free_retries():
    budget = RetryBudget(0)
    assert affordable(budget, 1000, 0, 100.0) == CREDIT
    assert affordable(budget, 1_000_000, 0, 101.0) == 0


@given(st.integers(1, 500), st.integers(100, 1000), st.integers(0, 100_000), st.integers(1, 20))
def test_retries_add_at_most_a_fifth_to_the_load(in_flight, rate, before, seconds):
    """However good the times before, and though every request asks for two retries."""
    budget, granted = RetryBudget(20), 0
    for number in range(1, seconds * rate + 1):
        granted += sum(budget.spend(before + number, in_flight, 100 + number / rate) for _ in range(2))
        assert granted <= max(0.2 * number, in_flight, 10)
