"""The cost of a pick: every policy, several sizes, equal and mixed weights, an idle and a busy pool."""

from __future__ import annotations

from collections import Counter
from itertools import cycle
from random import Random
from time import perf_counter

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.micro.pools import SIZES, WEIGHTS, pool
from bench.micro.timing import calls, changes
from pylb.policy.balance import BALANCERS
from pylb.policy.balance.hash import HashPolicy, run_at_once
from pylb.policy.balance.maglev import build_table
from pylb.policy.balance.sessions import SessionTable, Sticky, token_of

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


@pytest.mark.parametrize("size", SIZES)
def test_pick_by_key(benchmark: BenchmarkFixture, size: int) -> None:
    backends = pool(size, "equal").eligible
    policy = HashPolicy(125, Counter())
    run_at_once(policy.update(backends))
    balancer, keys = policy(backends, Random(1)), cycle([b"client-%d" % number for number in range(4096)])
    benchmark.group = "pick: hash, by key"
    calls(benchmark, lambda: balancer.pick(next(keys)))


@pytest.mark.parametrize("size", SIZES)
def test_pick_by_session(benchmark: BenchmarkFixture, size: int) -> None:
    backends = pool(size, "equal").eligible
    sessions = SessionTable("web", b"a key", Counter())
    sessions.update(backends)
    balancer = Sticky(sessions, BALANCERS["round-robin"](backends, Random(1)))
    tokens = cycle([token_of(b"a key", "web", backend.name) for backend in backends])
    benchmark.group = "pick: sticky"
    calls(benchmark, lambda: balancer.pick(next(tokens)))


@pytest.mark.parametrize("size", SIZES)
def test_table(benchmark: BenchmarkFixture, size: int) -> None:
    weights = {backend.name: 1.0 for backend in pool(size, "equal").eligible}
    longest = 0.0

    def build() -> None:
        nonlocal longest
        before = perf_counter()
        for _ in build_table(weights):
            last, before = before, perf_counter()
            longest = max(longest, before - last)

    benchmark.group = "table of hash"
    changes(benchmark, build)
    benchmark.extra_info["longest step in ms"] = round(1e3 * longest, 2)
