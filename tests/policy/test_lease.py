"""A lease counts a request in flight, and settles when it ends, however it ends."""

import pytest

from pylb.errors import Fault, Phase, ProxyError
from pylb.model import Endpoint, PoolState
from pylb.policy.backend import State
from tests.policy.backends import web_pool


@pytest.fixture
def pool():
    pool = web_pool()
    pool.apply(PoolState("web", (Endpoint("web", "10.0.0.1", 80, id="web-1"),)))
    return pool


def test_a_request_is_in_flight_from_with_to_its_end(pool):
    with pool.lease(now=7.0) as lease:
        assert lease.backend.inflight == 1
        assert lease.started == 7.0
    assert lease.backend.inflight == 0


@pytest.mark.parametrize("error", [ProxyError(Phase.CONNECT, Fault.UPSTREAM, "refused"), KeyboardInterrupt()])
def test_a_lease_ends_after_an_exception(pool, error):
    with pytest.raises(type(error)), pool.lease() as lease:
        raise error
    assert lease.backend.inflight == 0


def test_the_last_lease_of_a_draining_backend_removes_it(pool):
    with pool.lease() as first:
        with pool.lease() as second:
            assert first.backend is second.backend
            pool.apply(PoolState("web", ()))
        assert first.backend.state is State.DRAINING
        assert list(pool.draining.values()) == [first.backend]
    assert first.backend.state is State.GONE
    assert not pool.draining


def test_a_new_lease_has_no_results(pool):
    lease = pool.lease()
    assert (lease.connected, lease.head, lease.status, lease.error) == (0.0, 0.0, 0, None)
    assert not lease.reused
    assert not lease.answered


def test_a_second_attempt_at_a_backend_inherits_its_running_trial(pool):
    first = pool.lease()
    health = first.backend.health
    assert first.again(1.0).backend is first.backend
    assert health.trial is None
    health.trial = first
    second = first.again(2.0)
    assert health.trial is second
    assert first.again(3.0).started == 3.0
    assert health.trial is second
