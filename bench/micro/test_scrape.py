"""The cost of a Prometheus scrape for the control process of two workers, which yields between the pieces."""

from __future__ import annotations

from itertools import count
from time import monotonic

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.micro.pools import snapshot
from bench.micro.timing import changes
from pylb.observe import exposition
from pylb.observe.counter_layout import SLOT_LENGTH
from pylb.observe.counters import Counters
from pylb.observe.shared_counters import Memory, SharedCounters
from pylb.policy.pool import Pool
from pylb.policy.pool_rows import row_of

WORKERS = 2


def shared(pages: list[bytearray]) -> Memory:
    """The view of one process on pages that all processes share."""
    numbers = count()

    def page(size: int) -> bytearray:
        if (number := next(numbers)) == len(pages):
            pages.append(bytearray(size))
        return pages[number]

    return page


@pytest.mark.parametrize("size", [3, 100, 1_000])
@pytest.mark.benchmark(group="scrape: all series of a service")
def test_scrape(benchmark: BenchmarkFixture, size: int) -> None:
    pages: list[bytearray] = []
    blocks = [SharedCounters(rows=WORKERS + 1, row=row, counters=shared(pages)) for row in range(WORKERS + 1)]
    counters = Counters(blocks[WORKERS], monotonic)
    pool = Pool("web", counters=counters.allocate)
    pool.apply(snapshot(size))
    for slot in counters.slots("web").values():
        for worker in blocks[:WORKERS]:
            values = worker.counters(slot)
            for index in range(SLOT_LENGTH):
                values[index] = slot * 1_000 + index

    def scrape() -> None:
        for piece in (*exposition.traffic(counters), *exposition.pools([row_of(pool)])):
            piece.encode()

    changes(benchmark, scrape)
