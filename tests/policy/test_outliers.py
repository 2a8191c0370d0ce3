import pytest

from pylb.model import Overlay, PoolState
from pylb.policy.backend import State
from pylb.policy.outliers import Outliers
from tests.policy.backends import endpoint, web_pool


class Service:
    """A pool whose backends have had requests, and so many of them failed."""

    def __init__(self, count=6):
        self.now = 100.0
        self.attempts = {}
        self.pool = web_pool(
            clock=lambda: self.now, outliers=Outliers(lambda b: self.attempts.get(b.name, 0))
        )
        self.endpoints = [endpoint(n) for n in range(1, count + 1)]
        self.pool.apply(PoolState("web", tuple(self.endpoints)))
        self.pool.tick(self.now)

    def interval(self, *failures, requests=1000):
        """Ten seconds, in which so many of each backend's requests failed."""
        for backend, failed in zip(self.pool.backends.values(), failures, strict=True):
            self.attempts[backend.name] = self.attempts.get(backend.name, 0) + requests
            backend.health.total += failed
        self.now += 10
        self.pool.tick(self.now)

    @property
    def ejected(self):
        states = enumerate((b.state for b in self.pool.backends.values()), 1)
        return [number for number, state in states if state is State.EJECTED]


def test_a_backend_that_fails_more_often_than_the_others_is_ejected():
    service = Service()
    service.interval(10, 12, 9, 11, 10, 300)
    assert service.ejected == [6]
    assert service.pool.events["ejected"] == 1
    service.interval(10, 12, 9, 11, 10, 0)
    assert service.ejected == []


@pytest.mark.parametrize(
    "failures", [(0,) * 6, (500,) * 6, (10, 12, 9, 11, 10, 12), (100, 0, 100, 0, 100, 0)]
)
def test_equal_backends_have_no_outlier(failures):
    service = Service()
    service.interval(*failures)
    assert service.ejected == []


def test_few_requests_or_few_backends_have_no_outlier():
    service = Service()
    service.interval(0, 0, 0, 0, 0, 50, requests=99)
    assert service.ejected == []
    service = Service(4)
    service.interval(0, 0, 0, 900)
    assert service.ejected == []


def test_requests_before_the_last_evaluation_do_not_count():
    service = Service()
    service.interval(10, 12, 9, 11, 10, 300)
    for _ in range(3):
        service.interval(10, 12, 9, 11, 10, 10)
    assert service.ejected == []


def test_only_requests_since_the_last_evaluation_count():
    service = Service()
    service.interval(300, 300, 300, 300, 300, 0)
    service.interval(10, 12, 9, 11, 10, 300)
    assert service.ejected == [6]
    service = Service()
    service.interval(0, 0, 0, 0, 0, 0)
    service.interval(0, 0, 0, 0, 0, 50, requests=99)
    assert service.ejected == []


def test_a_restored_backend_is_not_ejected():
    service = Service()
    service.pool.apply(
        PoolState(
            "web",
            tuple(service.endpoints),
            overlays=((service.endpoints[5].key, Overlay(restored=True)),),
        )
    )
    service.interval(0, 0, 0, 0, 0, 500)
    assert service.ejected == []


def test_failures_are_counted_per_backend():
    service = Service(1)
    (backend,) = service.pool.backends.values()
    for status in (200, 500, 503, 404):
        with service.pool.lease() as lease:
            lease.status = status
    assert backend.health.total == 2
    backend.clear()
    assert backend.health.total == 2
