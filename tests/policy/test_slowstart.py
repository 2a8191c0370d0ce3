from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from pylb.model import Excluded, PoolState
from pylb.policy.balance import BALANCERS
from tests.policy.backends import endpoint, web_pool

OLD = (endpoint(1), endpoint(2))
NEW = endpoint(3)


class Service:
    """A pool with its time in our hands, and two backends that have been there for long."""

    def __init__(self, *endpoints, **options):
        self.now = 100.0
        options = {"slow_start": 10.0, "rng": Random(1), **options}
        self.pool = web_pool(clock=lambda: self.now, **options)
        self.register(*(endpoints or OLD))

    def register(self, *endpoints, excluded=()):
        self.pool.apply(PoolState("web", endpoints, tuple(Excluded(e, "critical") for e in excluded)))

    def later(self, seconds):
        self.now += seconds
        self.pool.tick(self.now)

    def share(self, wanted=NEW):
        (found,) = (b for b in self.pool.backends.values() if b.name == wanted.authority)
        return found.ramp_fraction

    def shares(self):
        return [backend.ramp_fraction for backend in self.pool.backends.values()]


def test_a_new_backend_reaches_its_weight_in_ten_steps():
    service = Service()
    service.register(*OLD, NEW)
    assert service.shares() == [1, 1, 0.1]
    seen = []
    for _ in range(44):
        service.later(0.25)
        seen.append(service.share())
    assert sorted(set(seen)) == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1])
    assert seen == sorted(seen)
    assert seen[37:41] == [0.9, 0.9, 1, 1]


@pytest.mark.parametrize("policy", BALANCERS)
def test_slow_start_applies_to_every_policy(policy):
    service = Service(policy=policy)
    service.register(*OLD, replace(NEW, weight=2))

    def part():
        picks = Counter(service.pool.lease().backend.name for _ in range(4000))
        return picks[NEW.authority] / 4000

    assert part() == pytest.approx(0.2 / 2.2, abs=0.02)
    service.later(5)
    assert part() == pytest.approx(1 / 3, abs=0.03)
    service.later(5)
    assert part() == pytest.approx(1 / 2, abs=0.03)


def test_the_load_of_a_new_backend_is_relative_to_its_reduced_weight():
    service = Service()
    service.register(*OLD, NEW)
    backend = next(b for b in service.pool.backends.values() if b.ramp_fraction < 1)
    backend.count(1)
    assert backend.load == 10
    service.later(10)
    assert backend.load == 1


def test_backends_of_a_pool_that_was_empty_have_no_slow_start():
    service = Service()
    assert service.shares() == [1, 1]
    service.register(excluded=OLD)
    service.register(*OLD, NEW)
    assert service.shares() == [1, 1, 1]


def test_a_new_registration_starts_slow_start_but_a_failed_check_does_not():
    service = Service(*OLD, NEW)
    service.register(*OLD, excluded=[NEW])
    service.register(*OLD, NEW)
    assert service.share() == 1
    service.register(*OLD)
    service.register(*OLD, NEW)
    assert service.share() == 0.1


def test_an_instance_that_was_critical_from_the_start_is_new_when_it_passes():
    service = Service()
    service.register(*OLD, excluded=[NEW])
    service.register(*OLD, NEW)
    assert service.share() == 0.1


def test_a_draining_backend_that_returns_has_no_slow_start():
    service = Service(NEW)
    with service.pool.lease():
        service.register(*OLD)
        service.register(*OLD, NEW)
        assert service.share() == 1


def test_a_new_backend_that_returns_while_draining_has_its_full_weight():
    service = Service()
    service.register(*OLD, NEW)
    with service.pool.lease() as lease:
        assert (lease.backend.name, service.share()) == (NEW.authority, 0.1)
        service.register(*OLD)
        service.register(*OLD, NEW)
        assert service.share() == 1


def test_an_unchanged_snapshot_does_not_restart_slow_start():
    service = Service()
    service.register(*OLD, NEW)
    service.later(5)
    service.register(*OLD, replace(NEW, weight=4))
    assert service.share() == 0.5
    service.later(5)
    assert [b.weight for b in service.pool.eligible] == [1, 1, 4]


def test_an_instance_can_set_its_duration():
    service = Service()
    slow, quick = endpoint(3, slow_start=100.0), endpoint(4, slow_start=0.0)
    service.register(*OLD, slow, quick)
    assert service.shares() == [1, 1, 0.1, 1]
    service.later(50)
    assert service.shares() == [1, 1, 0.5, 1]


def test_the_balancer_is_rebuilt_only_at_steps():
    service = Service()
    service.register(*OLD, NEW)
    before = service.pool._balancer
    service.later(0.5)
    assert service.pool._balancer is before
    service.later(10)
    full = service.pool._balancer
    assert full is not before
    service.later(100)
    assert service.pool._balancer is full


def test_slow_start_can_be_switched_off():
    service = Service(slow_start=0.0)
    service.register(*OLD, NEW)
    assert service.shares() == [1, 1, 1]
