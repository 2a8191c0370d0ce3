"""What a scrape of Prometheus costs whoever answers it; requests get their turn between the pieces."""

from __future__ import annotations

from time import monotonic

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.micro.pools import snapshot
from bench.micro.timing import changes
from pylb.observe import exposition
from pylb.observe.block import Block
from pylb.observe.cells import CELLS
from pylb.observe.counters import Counters
from pylb.policy.pool import Pool


@pytest.mark.parametrize("size", [3, 100, 1_000])
@pytest.mark.benchmark(group="scrape: all series of a service")
def test_scrape(benchmark: BenchmarkFixture, size: int) -> None:
    counters = Counters(Block(), monotonic)
    pool = Pool("web", cells=counters.allocate)
    pool.apply(snapshot(size))
    for number, backend in enumerate(pool.backends.values()):
        for cell in range(CELLS):
            backend.cells[cell] = number * 1_000 + cell

    def scrape() -> None:
        for piece in (*exposition.traffic(counters), *exposition.pools([pool])):
            piece.encode()

    changes(benchmark, scrape)
