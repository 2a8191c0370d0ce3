from random import Random

from hypothesis import given
from hypothesis import strategies as st

from pylb.runtime.backoff import Backoff, TokenBucket

WRONG = ValueError()
ABSENT = ConnectionRefusedError()


class NoJitter(Random):
    def uniform(self, low, high):
        return high


def test_delays_double_from_a_tenth_to_ten_seconds_and_never_end():
    backoff = Backoff(NoJitter())
    delays = [backoff.after(WRONG) for _ in range(50)]
    assert delays[:8] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0]
    assert set(delays[8:]) == {10.0}


def test_a_refused_connection_is_retried_every_second():
    backoff = Backoff(NoJitter())
    assert max(backoff.after(ABSENT) for _ in range(50)) == 1.0


def test_a_success_resets_the_delay():
    backoff = Backoff(NoJitter())
    for _ in range(9):
        backoff.after(WRONG)
    backoff.reset()
    assert backoff.after(WRONG) == 0.1


def test_another_kind_of_error_resets_the_delay():
    """After a minute of refused connections, `No cluster leader` must not be followed by 10 s of silence."""
    backoff = Backoff(NoJitter())
    for _ in range(60):
        backoff.after(ABSENT)
    assert [backoff.after(WRONG), backoff.after(WRONG)] == [0.1, 0.2]


def test_delays_have_jitter():
    delays = [Backoff(Random(seed)).after(WRONG) for seed in range(100)]
    assert len(set(delays)) == 100
    assert 0.05 <= min(delays) < 0.06
    assert 0.09 < max(delays) <= 0.1


def test_a_bucket_allows_its_burst_and_then_one_per_second():
    bucket = TokenBucket(burst=2, rate=1.0)
    assert [bucket.take(100.0) for _ in range(4)] == [0, 0, 1, 2]
    assert bucket.take(200.0) == 0


def test_a_refilled_bucket_allows_its_burst_again():
    bucket = TokenBucket(burst=2, rate=1.0)
    for _ in range(5):
        bucket.take(100.0)
    bucket.fill(100.0)
    assert [bucket.take(100.0) for _ in range(3)] == [0, 0, 1]


@given(st.lists(st.floats(0, 3), max_size=100))
def test_waiting_as_advised_keeps_the_rate(gaps):
    bucket = TokenBucket(burst=2, rate=1.0)
    now, taken = 1000.0, []
    for gap in gaps:
        now += gap
        now += bucket.take(now)
        taken.append(now)
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            assert last - first + 1 <= 2 + (taken[last] - taken[first]) + 1e-6
