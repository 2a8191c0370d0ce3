import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pylb.observe.histogram import Histogram, quantile

BOUNDS = (0.001, 0.01, 0.1, 1.0)


def test_a_bound_is_inclusive_and_the_last_bucket_is_open():
    histogram = Histogram(BOUNDS)
    for seconds in (0.0, 0.001, 0.0011, 1.0, 1.1):
        histogram.add(seconds)
    assert histogram.buckets == [2, 1, 0, 1, 1]
    assert histogram.sum == pytest.approx(2.1021 + 0.001 - 0.001 + 0.0, abs=0.01)


def test_an_empty_histogram_has_no_quantile():
    assert quantile(0.5, [0] * 5, BOUNDS) is None


def test_quantiles_are_interpolated_linearly_as_by_prometheus():
    assert quantile(0.5, [0, 10, 0, 0, 0], BOUNDS) == pytest.approx(0.0055)
    assert quantile(1.0, [0, 10, 0, 0, 0], BOUNDS) == pytest.approx(0.01)
    assert quantile(0.99, [0, 0, 0, 0, 5], BOUNDS) == 1.0


@given(st.lists(st.floats(0, 0.99), min_size=2), st.sampled_from([0.5, 0.9, 0.99]))
def test_a_quantile_lies_in_the_bucket_of_the_exact_one(values, share):
    histogram = Histogram(BOUNDS)
    for value in values:
        histogram.add(value)
    assert 0 <= quantile(share, histogram.buckets, BOUNDS) <= next(b for b in BOUNDS if b >= max(values))
    if share == 0.5:
        low = min(b for b in (0, *BOUNDS) if b <= statistics.median_low(values) or b == 0)
        assert quantile(share, histogram.buckets, BOUNDS) >= low
