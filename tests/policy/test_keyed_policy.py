"""A keyed policy under the rules that apply to every policy, such as limits and slow start."""

from collections import Counter
from dataclasses import replace
from random import Random
from zlib import crc32

import pytest

from pylb.errors import Fault, Phase, ProxyError
from pylb.model import PoolState
from pylb.policy.backend import State
from pylb.policy.balance import BALANCERS
from pylb.policy.pool import Pool
from pylb.policy.queue import Full
from pylb.policy.shared import SharedPool
from tests.policy.backends import endpoint, web_pool

UNREACHABLE = ProxyError(Phase.CONNECT, Fault.UPSTREAM, "refused")
KEYS = [b"client-%d" % number for number in range(200)]


class Hashed:
    """Rendezvous hashing, weighted: the smallest policy that honours key and weight."""

    reads_load = False

    def __init__(self, backends, rng):
        self.backends = tuple(backends)
        self.rng = rng

    def pick(self, key=None):
        if key is None:
            return self.rng.choice(self.backends)
        return max(self.backends, key=lambda b: self.score(b, key))

    @staticmethod
    def score(backend, key):
        return ((crc32(key + backend.authority) + 1) / 2**32) ** (1 / backend.weight)


class Service:
    def __init__(self, size=3, kind=Pool, **options):
        self.now = 100.0
        self.pool = web_pool(kind, policy="hashed", rng=Random(1), clock=lambda: self.now, **options)
        self.endpoints = [endpoint(number) for number in range(1, size + 1)]
        self.apply()

    def apply(self, *added):
        self.endpoints += added
        self.pool.apply(PoolState("web", tuple(self.endpoints)))

    def pick(self, key, tried=()):
        return self.pool.lease(tried, self.now, key).backend

    def picks(self):
        return {key: self.pick(key) for key in KEYS}

    def tick(self, seconds):
        self.now += seconds
        self.pool.tick(self.now)


@pytest.fixture(autouse=True)
def hashed(monkeypatch):
    monkeypatch.setitem(BALANCERS, "hashed", Hashed)


def test_the_key_reaches_the_policy():
    service = Service()
    first = service.picks()
    assert first == service.picks()
    assert len(set(first.values())) == 3
    assert all(service.pool.upcoming(key) is backend for key, backend in first.items())


def test_requests_without_a_key_are_balanced():
    service = Service()
    assert len({service.pick(None) for _ in range(100)}) == 3


def test_a_retry_receives_another_backend_and_always_the_same_one():
    service = Service()
    for key, backend in service.picks().items():
        second = service.pick(key, (backend,))
        assert second is not backend
        assert second is service.pick(key, (backend,))
        assert service.pick(key, tuple(service.pool.eligible)) in service.pool.eligible


def test_a_full_backend_passes_its_keys_to_one_with_capacity():
    service = Service(max_conn=1)
    owner = service.pick(KEYS[0])
    owner.count(+1)
    other = service.pick(KEYS[0])
    assert other is not owner
    owner.count(-1)
    assert service.pick(KEYS[0]) is owner
    for backend in service.pool.eligible:
        backend.count(+1)
    with pytest.raises(Full):
        service.pick(KEYS[0])


def test_a_new_backend_takes_its_keys_step_by_step():
    service = Service(slow_start=10.0)
    before = service.picks()
    service.apply(endpoint(4))
    assert service.pick(KEYS[0]).endpoint == endpoint(4), "the first request, whatever its key"
    counts = []
    for _ in range(3):
        now = service.picks()
        counts.append(Counter(now.values())[service.pool.backends[endpoint(4).key, endpoint(4).authority]])
        assert all(now[key] in (before[key], service.pick(key)) for key in KEYS)
        service.tick(5.0)
    assert 0 < counts[0] < counts[1] < counts[2]


def test_keys_of_an_excluded_backend_move_and_return_after_its_trial():
    service = Service()
    before = service.picks()
    owner = before[KEYS[0]]
    with service.pool.lease((), service.now, KEYS[0]) as lease:
        lease.error = UNREACHABLE
    assert owner.state is State.SUSPECT
    moved = service.picks()
    assert {key for key in KEYS if moved[key] is not before[key]} == {k for k in KEYS if before[k] is owner}
    service.tick(1.1)
    assert owner.state is State.HALF_OPEN
    stranger = next(key for key in KEYS if before[key] is not owner)
    with service.pool.lease((), service.now, stranger) as lease:
        assert lease.backend is owner, "the next request is the trial, whatever its key"
        assert service.pick(KEYS[0]) is not owner
        lease.status = 200
    assert service.picks() == before


@pytest.mark.parametrize("limit", [0, 5])
@pytest.mark.parametrize(("reads_load", "refreshed"), [(True, 3), (False, 0)])
def test_loads_are_refreshed_before_a_pick_only_for_policies_that_read_them(
    monkeypatch, reads_load, refreshed, limit
):
    monkeypatch.setattr(Hashed, "reads_load", reads_load)
    service = Service(kind=SharedPool, max_conn=limit)
    seen = []
    monkeypatch.setattr(service.pool.kind, "refresh", lambda backend: seen.append(backend))  # noqa: PLW0108  # binds self
    service.pick(KEYS[0])
    assert len(seen) == refreshed


def test_a_changed_weight_builds_the_balancer_again():
    service = Service()
    service.endpoints[0] = replace(service.endpoints[0], weight=1000)
    service.apply()
    assert Counter(backend.name for backend in service.picks().values())[endpoint(1).authority] > 190
