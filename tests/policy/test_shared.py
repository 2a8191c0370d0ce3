"""Workers that see each other's requests, and a simulation of what that is worth."""

import heapq
from dataclasses import replace
from random import Random
from statistics import mean

import pytest

from pylb.model import PoolState
from pylb.policy.pool import Pool
from pylb.policy.shared import SharedBackend, SharedPool
from tests.every import every
from tests.policy.backends import endpoint, web_pool


def row_of(length):
    return memoryview(bytearray(8 * length)).cast("q")


def snapshot(size):
    return PoolState("web", tuple(endpoint(number) for number in range(size)))


def workers(number, size, *, kind=SharedPool, policy="least-connections", seed=1):
    """The pools of so many workers, with the same backends."""
    rows = [row_of(number) for _ in range(size)]
    pools = []
    for worker in range(number):
        pool = web_pool(kind, policy=policy, rng=Random(seed * 1000 + worker))
        pool.apply(snapshot(size))
        if kind is SharedPool:
            for backend, row in zip(pool.backends.values(), rows, strict=True):
                backend.share(row, worker)
        pools.append(pool)
    return pools


def test_each_worker_counts_its_requests_and_compares_the_sum():
    row = row_of(2)
    here, there = SharedBackend(endpoint(1, weight=2)), SharedBackend(endpoint(1, weight=2))
    here.share(row, 0)
    there.share(row, 1)
    here.count(+1)
    there.count(+1)
    there.count(+1)
    assert (here.inflight, there.inflight, row.tolist()) == (1, 2, [1, 2])
    here.refresh()
    assert (here.elsewhere, here.load) == (2, 1.5)
    there.count(-1)
    here.refresh()
    assert (here.elsewhere, here.load) == (1, 1.0)
    here.count(-1)
    assert (here.load, row.tolist()) == (0.5, [0, 1])


def test_counts_move_to_another_slot():
    old, new = row_of(2), row_of(2)
    backend = SharedBackend(endpoint(1))
    backend.count(+1)
    backend.share(old, 1)
    assert old.tolist() == [0, 1]
    backend.share(new, 1)
    assert (old.tolist(), new.tolist()) == ([0, 0], [0, 1])


@every("size", [2, 16, 17, 50])
@every("policy", ["least-connections", "random-two"])
def test_a_worker_avoids_the_busiest_backend_of_all_workers(policy, size):
    here, there = workers(2, size, policy=policy)
    busy = list(there.backends.values())[1]
    for _ in range(3):
        busy.count(+1)
    assert busy.key not in {here.lease().backend.key for _ in range(20 * size)}


def test_a_changed_weight_keeps_the_counts_of_other_workers():
    here, there = workers(2, 2)
    first = next(iter(there.backends.values()))
    first.count(+1)
    here.apply(PoolState("web", (replace(endpoint(0), weight=2), endpoint(1))))
    here.lease()
    assert next(iter(here.backends.values())).load == 0.5


def imbalance(pools, size, *, rate, service, requests=20_000):
    """How far the busiest backend is above the mean, as a share of it, on average over all arrivals.

    Requests arrive at random times at random workers, and each takes a random time, `service` on average.
    """
    rng = Random(7)
    now, peaks = 0.0, []
    in_flight = dict.fromkeys(range(size), 0)
    ends = []
    for number in range(requests):
        now += rng.expovariate(rate)
        while ends and ends[0][0] <= now:
            _, _, lease, place = heapq.heappop(ends)
            lease.__exit__(None, None, None)
            in_flight[place] -= 1
        lease = rng.choice(pools).lease(now=now).__enter__()
        place = int(lease.backend.endpoint.id.removeprefix("web-"))
        in_flight[place] += 1
        heapq.heappush(ends, (now + rng.expovariate(1 / service), number, lease, place))
        if number > requests // 10:
            average = len(ends) / size
            peaks.append(max(in_flight.values()) / average - 1)
    return mean(peaks)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "rate", "service"),
    [(3, 2_000, 0.05), (10, 20_000, 0.005), (16, 40_000, 0.001), (40, 20_000, 0.01)],
)
@pytest.mark.parametrize("number", [2, 8])
def test_many_workers_balance_as_one(number, size, rate, service):
    one = imbalance(workers(1, size, kind=Pool), size, rate=rate, service=service)
    together = imbalance(workers(number, size), size, rate=rate, service=service)
    alone = imbalance(workers(number, size, kind=Pool), size, rate=rate, service=service)
    assert together < 1.1 * one
    assert alone > (1.2 if number == 2 else 1.5) * one


def test_a_worker_that_is_alone_forgets_the_counts_of_the_others():
    here, there = workers(2, 1)
    (backend,), (elsewhere,) = here.backends.values(), there.backends.values()
    elsewhere.count(+1)
    here.lease()
    assert (backend.elsewhere, backend.load) == (1, 1.0)
    elsewhere.count(-1)
    here.set_alone(alone=True)
    here.lease()
    assert (backend.elsewhere, backend.load) == (0, 0.0)
