from contextlib import suppress
from itertools import count
from math import inf
from random import Random

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pylb.config.backends import Balancing, PoolOptions
from pylb.errors import ProxyError
from pylb.model import PoolState
from pylb.policy.balance import BALANCERS
from pylb.policy.lease import Lease
from pylb.policy.queue import Full, Queue, QueuedRequest
from tests.policy.backends import endpoint, web_pool


class Service:
    """A pool, its leases and its waiters."""

    def __init__(self, count=2, *, endpoints=(), **rules):
        self.pool = web_pool(policy="round-robin", rng=Random(1), **{"max_conn": 2} | rules)
        self.register(*(endpoints or [endpoint(n) for n in range(1, count + 1)]))
        self.retained = []
        self.served = []

    def register(self, *endpoints):
        self.pool.apply(PoolState("web", endpoints))

    def ask(self, name="", tried=()):
        """A request: it gets a lease, or waits until it does."""
        try:
            self._take(self.pool.lease(tried), name)
        except Full:
            queued = QueuedRequest(tried, lambda: self._take(Lease(self.pool, queued.backend, 0.0), name))
            self.pool.join_queue(queued)
            return queued

    def _take(self, lease, name):
        self.retained.append(lease.__enter__())
        self.served.append(name)

    def finish(self, place=0, status=200):
        lease = self.retained.pop(place)
        lease.status = status
        lease.__exit__(None, None, None)

    @property
    def in_flight(self):
        return [backend.inflight for backend in self.pool.backends.values()]


@pytest.mark.parametrize("policy", BALANCERS)
def test_every_backend_is_filled_to_its_limit(policy):
    pool = web_pool(policy=policy, max_conn=3)
    pool.apply(PoolState("web", tuple(endpoint(n, max_conn=1 if n == 1 else None) for n in range(1, 5))))
    for _ in range(10):
        pool.lease().__enter__()
    assert [b.inflight for b in pool.backends.values()] == [1, 3, 3, 3]
    with pytest.raises(Full):
        pool.lease()


def test_waiters_are_served_in_order():
    service = Service(1)
    for name in "abcd":
        service.ask(name)
    assert (service.served, len(service.pool.queue)) == (["a", "b"], 2)
    service.finish()
    service.ask("e")
    service.finish()
    assert (service.served, len(service.pool.queue)) == (["a", "b", "c", "d"], 1)
    service.finish()
    service.ask("f")
    assert service.served == ["a", "b", "c", "d", "e"]
    assert service.pool.events == {"queued": 4}


def test_a_waiter_receives_an_untried_backend_if_possible():
    service = Service(2)
    for _ in range(4):
        service.ask()
    first, second = service.pool.backends.values()
    service.ask("again", tried=(first,))
    service.finish([lease.backend for lease in service.retained].index(second))
    assert service.retained[-1].backend is second
    service.ask("again", tried=(first,))
    service.finish([lease.backend for lease in service.retained].index(first))
    assert service.retained[-1].backend is first


def test_a_retry_uses_a_backend_with_capacity():
    service = Service(3)
    first, second, third = service.pool.backends.values()
    second.inflight = 2
    assert [service.pool.lease((first,)).backend for _ in range(5)] == [third] * 5


def test_a_waiter_that_left_is_skipped():
    service = Service(1)
    service.ask(), service.ask()
    gone = service.ask("gone")
    service.ask("next")
    service.pool.queue.leave(gone)
    service.finish()
    assert service.served[-1] == "next"


def test_the_queue_is_bounded():
    service = Service(1, max_queue=1)
    for _ in range(3):
        service.ask()
    with pytest.raises(ProxyError, match="1 requests wait already") as unreachable:
        service.ask()
    assert (unreachable.value.status, unreachable.value.code) == (503, "RQ")
    assert service.pool.events == {"queued": 1, "queue_full": 1}


def test_new_backends_higher_limits_and_the_sweep_serve_waiters():
    service = Service(1)
    for name in "abcdefg":
        service.ask(name)
    service.register(endpoint(1), endpoint(2))
    assert service.in_flight == [2, 2]
    service.register(endpoint(1, max_conn=3), endpoint(2))
    assert service.in_flight == [3, 2]
    next(iter(service.pool.backends.values())).inflight -= 1
    service.pool.tick(1.0)
    assert service.in_flight == [3, 2]
    service.register(endpoint(1, max_conn=0), endpoint(2))
    assert (service.in_flight, len(service.pool.queue)) == ([4, 2], 0)


def test_a_higher_limit_of_the_pool_serves_waiters_immediately():
    service = Service(1)
    for name in "abcd":
        service.ask(name)
    service.pool.configure(PoolOptions(slow_start=0.0, max_conn=3), None)
    assert (service.in_flight, service.served, len(service.pool.queue)) == ([3], ["a", "b", "c"], 1)


def test_waiters_of_all_processes_are_counted():
    service = Service(1)
    assert service.pool.waiting == 0
    for name in "abcd":
        service.ask(name)
    assert service.pool.waiting == 2
    service.pool.waiting_elsewhere = 3
    assert service.pool.waiting == 5


def test_waiters_that_fail_immediately_do_not_recurse():
    service = Service(1, max_conn=1, max_queue=5000)
    service.ask()
    failed = []
    for _ in range(5000):

        def fail():
            with Lease(service.pool, service.pool.eligible[0], 0.0):
                failed.append(1)

        service.pool.join_queue(QueuedRequest((), fail))
    service.finish()
    assert len(failed) == 5000


def test_a_limit_is_divided_among_processes_with_at_least_one_each():
    assert Queue(Balancing(max_conn=10), processes=4).limit(endpoint(1)) == 2
    assert Queue(Balancing(max_conn=2), processes=4).limit(endpoint(1)) == 1
    assert Queue(Balancing(max_conn=10)).limit(endpoint(1, max_conn=0)) == inf
    assert Queue(Balancing()).limit(endpoint(1)) == inf
    assert Queue(Balancing(), processes=2).limit(endpoint(1, max_conn=7)) == 3


def test_without_limits_the_policy_is_used_directly():
    pool = web_pool()
    pool.apply(PoolState("web", (endpoint(1), endpoint(2))))
    assert pool._balancer is pool._picker.unlimited
    assert not any(backend.needs_settle for backend in pool.backends.values())


def test_limits_do_not_change_passive_health():
    service = Service(2)
    backend = service.pool.eligible[0]
    for _ in range(5):
        service.retained.append(Lease(service.pool, backend, 0.0).__enter__())
        service.finish(status=500)
    assert backend not in service.pool.eligible
    service.pool.tick(1000.0)
    assert service.pool.upcoming() is backend
    service.retained.append(Lease(service.pool, backend, 2000.0).__enter__())
    service.finish()
    assert (backend.health.failures, backend.needs_settle) == (0, True)


class Crowd(RuleBasedStateMachine):
    """For any sequence, limits and order hold, and no request waits while there is capacity."""

    def __init__(self):
        super().__init__()
        self.service = Service(3, max_queue=20)
        self.names = count()
        self.waiters = {}

    @rule()
    def ask(self):
        name = next(self.names)
        with suppress(ProxyError):
            if queued := self.service.ask(name):
                self.waiters[name] = queued

    @precondition(lambda self: self.service.retained)
    @rule(place=st.integers(0, 1000), status=st.sampled_from([200, 404]))
    def finish(self, place, status):
        self.service.finish(place % len(self.service.retained), status)

    @precondition(lambda self: len(self.service.pool.queue))
    @rule(place=st.integers(0, 1000))
    def leave(self, place):
        waiting = [name for name, queued in self.waiters.items() if queued.backend is None]
        name = waiting[place % len(waiting)]
        self.service.pool.queue.leave(self.waiters.pop(name))

    @rule(limit=st.integers(1, 4))
    def change(self, limit):
        self.service.register(*(endpoint(n, max_conn=limit) for n in (1, 2, 3)))

    @invariant()
    def in_order(self):
        assert self.service.served == sorted(self.service.served)

    @invariant()
    def nobody_waits_while_there_is_room(self):
        if len(self.service.pool.queue):
            assert all(b.inflight >= b.limit for b in self.service.pool.backends.values())


TestCrowd = Crowd.TestCase


def test_an_empty_queue_is_false():
    queue = Queue(Balancing())
    assert not queue
    queue.join(QueuedRequest((), lambda: None))
    assert queue


def test_a_waiter_for_one_backend_delays_no_other():
    service = Service(2, max_conn=1)
    first, second = service.pool.eligible
    service.ask()
    service.ask()
    bound = QueuedRequest((), lambda: None, only=first)
    service.pool.join_queue(bound)
    other = service.ask("other")
    service.finish([lease.backend for lease in service.retained].index(second))
    assert (bound.backend, other.backend) == (None, second)
    service.finish([lease.backend for lease in service.retained].index(first))
    assert bound.backend is first


def test_a_waiter_for_a_removed_backend_accepts_any():
    service = Service(2, max_conn=1)
    first, second = service.pool.eligible
    service.ask()
    service.ask()
    bound = QueuedRequest((), lambda: None, only=first)
    service.pool.join_queue(bound)
    service.register(second.endpoint)
    service.finish([lease.backend for lease in service.retained].index(second))
    assert bound.backend is second


def test_a_closed_queue_wakes_all_requests():
    queue = Queue(Balancing())
    woken = []
    for number in range(3):
        queued = QueuedRequest((), lambda: None)

        def wake(number=number, queued=queued):
            woken.append((number, queued.backend))
            queue.leave(queued)

        queued.wake = wake
        queue.join(queued)
    queue.close()
    assert woken == [(0, None), (1, None), (2, None)]
    assert queue.closed
    assert not queue
