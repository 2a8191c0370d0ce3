"""The cost of a pick: every policy, several sizes, equal and mixed weights, an idle and a busy pool."""

from __future__ import annotations

from random import Random

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.micro.pools import SIZES, WEIGHTS, pool
from bench.micro.timing import calls, changes
from pylb.policy.balance import BALANCERS

BUDGET = 1e-6
"""Seconds that a pick may take in the best of many rounds, which excludes noise of the machine."""


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("load", ["idle", "busy"])
@pytest.mark.parametrize("policy", BALANCERS)
def test_pick(benchmark: BenchmarkFixture, policy: str, load: str, weights: str, size: int) -> None:
    backends = pool(size, weights).eligible
    if load == "busy":
        rng = Random(2)
        for backend in backends:
            backend.count(rng.randint(5, 20))
    benchmark.group = f"pick: {policy}"
    calls(benchmark, BALANCERS[policy](backends, Random(1)).pick)
    if benchmark.stats:
        assert benchmark.stats["min"] < BUDGET


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("policy", BALANCERS)
def test_rebuild(benchmark: BenchmarkFixture, policy: str, weights: str, size: int) -> None:
    backends = pool(size, weights).eligible
    benchmark.group = f"rebuild: {policy}"
    changes(benchmark, lambda: BALANCERS[policy](backends, Random(1)))
