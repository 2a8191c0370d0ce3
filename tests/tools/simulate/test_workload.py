"""Arrivals and service times, which repeat with their seed."""

from dataclasses import replace
from itertools import pairwise
from statistics import fmean

import pytest

from pylb.tools.simulate.distribution import DISTRIBUTION
from pylb.tools.simulate.recording import Recording
from pylb.tools.simulate.workload import Workload

RECORDING = Recording((0.0, 1.0, 5.0), (0.1, 0.2, 0.3))
RANDOM = Workload(500, DISTRIBUTION.parse("exponential:10ms"), 20_000, 1, Recording((), ()))
LOG = DISTRIBUTION.parse("log")


def test_arrivals_are_a_poisson_process():
    moments = [moment for moment, _ in RANDOM]
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    assert fmean(gaps) == pytest.approx(1 / 500, rel=0.03)
    assert fmean(gap**2 for gap in gaps) == pytest.approx(2 / 500**2, rel=0.06)  # An exponential's.


def test_service_times_depend_on_the_seed_and_not_on_the_rate():
    assert list(RANDOM) == list(RANDOM)
    assert list(RANDOM) != list(replace(RANDOM, seed=2))
    faster = replace(RANDOM, rate=1000)
    assert [work for _, work in RANDOM] == [work for _, work in faster]


def test_a_recording_is_repeated_in_full_or_in_part():
    recorded = Workload(0, LOG, 10, 1, RECORDING)
    assert list(recorded) == [(0.0, 0.1), (1.0, 0.2), (5.0, 0.3)]
    assert list(replace(recorded, requests=2)) == [(0.0, 0.1), (1.0, 0.2)]
    constant = replace(recorded, service_time=DISTRIBUTION.parse("constant:7ms"))
    assert list(constant) == [(0.0, 0.007), (1.0, 0.007), (5.0, 0.007)]
    others = replace(recorded, rate=10, requests=100)
    assert {work for _, work in others} == {0.1, 0.2, 0.3}
    assert others.length == 100
