"""What is read from a simulation."""

from random import Random

import pytest

from pylb.tools.simulate.outcome import Latencies, Outcome


def test_percentiles_are_those_of_the_sorted_times():
    rng = Random(3)
    times = [rng.lognormvariate(-4, 1.5) for _ in range(20_000)]
    latencies = Latencies()
    for time in times:
        latencies.add(time)
    times.sort()
    for percent in (1, 50, 90, 99, 99.9):
        assert latencies.percentile(percent) == pytest.approx(times[int(percent * 200) - 1], rel=0.006)
    assert latencies.mean == pytest.approx(sum(times) / len(times))
    assert latencies.longest == times[-1]
    assert latencies.curve()[-1][1] == 20_000


def test_without_requests_all_latencies_are_zero():
    assert (Latencies().mean, Latencies().percentile(99)) == (0, 0)
    latencies = Latencies()
    latencies.add(0.0)
    assert latencies.percentile(50) < 1e-8


def test_figures_have_names():
    outcome = Outcome("random")
    outcome.latencies.add(0.5)
    outcome.failed["SC"] += 2
    figures = outcome.figures()
    assert (figures["policy"], figures["answered"], figures["failed"]) == ("random", 1, {"SC": 2})
    assert figures["p99"] == pytest.approx(0.5, rel=0.006)
