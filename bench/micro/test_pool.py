"""The cost of an attempt in the pool, and of a change."""

from __future__ import annotations

from dataclasses import replace
from itertools import cycle

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.micro.pools import SIZES, pool, snapshot
from bench.micro.timing import calls, changes
from pylb.policy.pool import Pool


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.benchmark(group="lease: pick, enter, exit")
def test_lease(benchmark: BenchmarkFixture, size: int) -> None:
    web = pool(size)

    def attempt() -> None:
        with web.lease():
            pass

    calls(benchmark, attempt)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.benchmark(group="lease: elsewhere, after a failure")
def test_retry(benchmark: BenchmarkFixture, size: int) -> None:
    web = pool(size)
    tried = web.eligible[:1]
    calls(benchmark, lambda: web.lease(tried))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.benchmark(group="apply: nothing changed")
def test_apply_the_same(benchmark: BenchmarkFixture, size: int) -> None:
    web, same = pool(size), snapshot(size)
    changes(benchmark, lambda: web.apply(same))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.benchmark(group="apply: one more, one less")
def test_apply_one_more_one_less(benchmark: BenchmarkFixture, size: int) -> None:
    web, more = pool(size), snapshot(size)
    snapshots = cycle([replace(more, endpoints=more.endpoints[1:]), more])
    changes(benchmark, lambda: web.apply(next(snapshots)))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.benchmark(group="apply: all new")
def test_apply_all_new(benchmark: BenchmarkFixture, size: int) -> None:
    first = snapshot(size)
    changes(benchmark, lambda: Pool("web").apply(first))
