"""Effects of failures on a pool: exclusions, their durations, and at least one eligible backend."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pylb.errors import Fault, Phase, ProxyError
from pylb.model import Overlay, PoolState
from pylb.policy.backend import State
from pylb.policy.lease import Lease
from tests.policy.backends import endpoint, web_pool

UNREACHABLE = ProxyError(Phase.CONNECT, Fault.UPSTREAM, "refused")
RESET = ProxyError(Phase.HEADERS, Fault.UPSTREAM, "closed")
LATE = ProxyError(Phase.HEADERS, Fault.UPSTREAM_TIMEOUT, "late")
LEFT = ProxyError(Phase.DATA, Fault.CLIENT, "left")


class Service:
    """A pool of so many backends, with its time in our hands."""

    def __init__(self, count, **rules):
        self.now = 100.0
        self.noticed = []
        self.pool = web_pool(**rules, clock=lambda: self.now, on_state_change=self.noticed.append)
        self.pool.apply(PoolState("web", tuple(endpoint(n) for n in range(1, count + 1))))
        self.backends = list(self.pool.backends.values())

    def attempt(self, backend, result):
        """Let one attempt at this backend end with a status or an error."""
        with Lease(self.pool, backend, self.now) as lease:
            if isinstance(result, ProxyError):
                lease.error = result
            else:
                lease.status = result
                backend.answered = self.now

    def later(self, seconds):
        self.now += seconds
        self.pool.tick(self.now)

    def take(self):
        """Let a request begin, wherever the pool sends it."""
        return self.pool.lease((), self.now).__enter__()

    def finish(self, lease, status=200):
        """Let it end."""
        lease.status = status
        lease.__exit__(None, None, None)

    @property
    def out(self):
        return [n for n, b in enumerate(self.backends, 1) if b not in self.pool.eligible]


@pytest.mark.parametrize("error", [UNREACHABLE, RESET])
def test_one_failed_connection_excludes_a_backend_for_a_second(error):
    service = Service(3)
    service.attempt(service.backends[0], error)
    assert service.out == [1]
    assert service.backends[0].state is State.SUSPECT
    service.later(0.9)
    assert service.out == [1]
    service.later(0.2)
    assert (service.out, service.backends[0].state) == ([1], State.HALF_OPEN)
    service.attempt(service.backends[0], 200)
    assert service.out == []
    assert service.noticed == [service.backends[0]] * 3
    assert service.pool.events == {"suspect": 1, "half-open": 1, "up": 1}


@pytest.mark.parametrize("failure", [500, 503, LATE])
def test_five_failures_in_a_row_eject(failure):
    service = Service(3)
    for _ in range(4):
        service.attempt(service.backends[0], failure)
    service.attempt(service.backends[0], 200)
    service.attempt(service.backends[1], 200)
    for _ in range(4):
        service.attempt(service.backends[0], failure)
    assert service.out == []
    service.attempt(service.backends[0], failure)
    assert (service.out, service.backends[0].state) == ([1], State.EJECTED)
    service.later(10)
    assert (service.out, service.backends[0].state) == ([1], State.HALF_OPEN)
    service.attempt(service.backends[0], failure)
    assert (service.out, service.backends[0].state) == ([1], State.EJECTED)
    service.later(19)
    assert service.backends[0].state is State.EJECTED
    service.later(1)
    assert service.backends[0].state is State.HALF_OPEN
    service.attempt(service.backends[0], 200)
    service.attempt(service.backends[0], failure)
    assert service.out == []


def test_silence_is_a_failure_only_without_other_responses_of_the_backend():
    service = Service(3)
    first, second, _ = service.backends
    for _ in range(20):
        lease = Lease(service.pool, first, service.now)
        service.later(1)
        first.answered = second.answered = service.now
        lease.error = LATE
        with lease:
            pass
    assert (service.out, first.health.total) == ([], 0)


def test_timeouts_of_all_backends_eject_none():
    service = Service(2)
    for _ in range(20):
        for backend in service.backends:
            service.attempt(backend, LATE)
        service.later(1)
    assert service.out == []
    service.backends[1].answered = service.now
    service.attempt(service.backends[0], LATE)
    assert service.out == [1], "the other one does answer"


def test_a_trial_with_a_slow_upload_lets_another_request_be_the_trial():
    service = Service(3)
    first = service.backends[0]
    service.attempt(first, RESET)
    service.later(1)
    upload = service.take()
    upload.uploading = True
    assert upload.backend is first
    service.later(0.9)
    assert first not in {service.take().backend for _ in range(5)}
    service.later(0.2)
    assert service.pool.upcoming() is first
    trial = service.take()
    assert trial.backend is first
    assert first not in {service.take().backend for _ in range(5)}, "one at a time as before"
    service.finish(trial)
    assert first.state is State.UP
    service.finish(upload, 500)
    assert first.state is State.UP


def test_a_half_open_backend_receives_one_request_at_a_time_until_one_succeeds():
    service = Service(3)
    first = service.backends[0]
    for _ in range(5):
        service.attempt(first, 500)
    service.later(10)
    assert service.pool.upcoming() is first
    trial = service.take()
    assert trial.backend is first
    assert first not in {service.take().backend for _ in range(20)}
    assert service.pool.upcoming() is not first
    trial.error = LEFT
    service.finish(trial, 0)
    trial = service.take()
    assert trial.backend is first, "a client that left proves nothing, so that another one is tried"
    service.finish(trial)
    assert (service.out, first.state) == ([], State.UP)
    assert first in {service.take().backend for _ in range(30)}


def test_a_failed_trial_costs_one_request_and_each_exclusion_is_longer():
    service = Service(3)
    for _ in range(5):
        service.attempt(service.backends[0], 500)
    for seconds in (10, 20, 30):
        service.later(seconds)
        trial = service.take()
        others = [service.take() for _ in range(10)]
        service.finish(trial, 500)
        assert trial.backend is service.backends[0]
        assert service.backends[0] not in {lease.backend for lease in others}
        assert service.backends[0].state is State.EJECTED


def test_requests_that_hang_from_before_the_ejection_do_not_block_the_trial():
    service = Service(3)
    hanging = [service.take() for _ in range(3)]
    for _ in range(5):
        service.attempt(service.backends[0], 500)
    service.later(10)
    assert service.backends[0] in {lease.backend for lease in hanging}
    assert service.take().backend is service.backends[0]


def test_the_head_of_a_successful_response_restores_a_half_open_backend():
    service = Service(3)
    for _ in range(5):
        service.attempt(service.backends[0], 500)
    service.later(10)
    tunnel = service.take()
    tunnel.status = 101
    service.pool.answered(tunnel)
    assert (service.out, service.backends[0].state) == ([], State.UP)
    service.later(1)
    for _ in range(5):
        service.attempt(service.backends[0], 500)
    service.later(30)
    service.finish(tunnel, 101)
    assert service.backends[0].state is State.HALF_OPEN, "it began before the backend was marked again"
    assert service.take().backend is service.backends[0]


def test_a_failed_response_counts_once():
    service = Service(3, eject_failures=2, suspect_time=1.0)
    service.attempt(service.backends[0], RESET)
    service.later(1)
    trial = service.take()
    trial.status = 503
    service.pool.answered(trial)
    assert service.backends[0].health.failures == 1
    service.finish(trial, 503)
    assert service.backends[0].health.failures == 1, "ejected, with one failure less than that takes"
    assert service.backends[0].state is State.EJECTED


def test_faults_of_clients_do_not_count():
    service = Service(2)
    for _ in range(20):
        service.attempt(service.backends[0], LEFT)
        service.attempt(service.backends[1], 404)
    assert service.out == []
    assert not service.pool.events


@pytest.mark.parametrize(("count", "most"), [(1, 0), (2, 1), (3, 1), (4, 2), (10, 5)])
def test_at_most_half_of_the_backends_are_ejected(count, most):
    service = Service(count)
    for _ in range(7):
        for backend in service.backends:
            service.attempt(backend, 500)
    assert len(service.out) == most
    assert not service.pool.panics


def test_a_spared_backend_is_ejected_when_the_limit_allows():
    service = Service(2)
    for backend in service.backends:
        for _ in range(5):
            service.attempt(backend, 500)
    assert service.out == [1]
    service.later(10)
    service.attempt(service.backends[0], 200)
    service.attempt(service.backends[1], 500)
    assert service.out == [2]


def test_a_panicking_pool_ignores_failures_except_refused_connections():
    service = Service(4)
    service.attempt(service.backends[0], UNREACHABLE)
    service.attempt(service.backends[1], RESET)
    assert (service.out, service.pool.panics) == ([1, 2], False)
    service.attempt(service.backends[2], RESET)
    assert (service.out, service.pool.panics) == ([1], True)
    service.attempt(service.backends[3], UNREACHABLE)
    assert service.out == [1, 4]
    service.later(0.1)
    service.attempt(service.backends[1], 200)
    service.attempt(service.backends[2], 200)
    assert (service.out, service.pool.panics) == ([1, 4], False)
    assert service.pool.events["panic"] == 1


def test_if_all_backends_refuse_all_are_eligible():
    service = Service(2)
    for backend in service.backends:
        service.attempt(backend, UNREACHABLE)
    assert service.out == []
    service.attempt(service.backends[0], 200)
    assert service.out == [2]


def test_panic_mode_can_be_disabled():
    service = Service(2, panic="fail")
    for backend in service.backends:
        service.attempt(backend, RESET)
    assert service.pool.eligible == ()
    with pytest.raises(ProxyError, match="web-1: suspect; web-2: suspect"):
        service.pool.lease()
    service.later(1)
    trials = [service.take() for _ in service.backends]
    assert {trial.backend for trial in trials} == set(service.backends)
    with pytest.raises(ProxyError, match="web-1: half-open; web-2: half-open"):
        service.pool.lease()
    service.finish(trials[0])
    assert service.pool.eligible == (trials[0].backend,)


def test_a_single_backend_is_never_excluded():
    service = Service(1)
    for failure in (UNREACHABLE, RESET, 500, 500, 500, 500, 500):
        service.attempt(service.backends[0], failure)
        assert service.out == []


def test_a_new_registration_clears_the_health_and_a_change_of_tags_does_not():
    service = Service(3)
    service.attempt(service.backends[0], UNREACHABLE)
    service.pool.apply(PoolState("web", (endpoint(1, tags=("v2",)), endpoint(2), endpoint(3))))
    assert service.out == [1]
    service.pool.apply(PoolState("web", (endpoint(2), endpoint(3))))
    service.pool.apply(PoolState("web", (endpoint(1), endpoint(2), endpoint(3))))
    assert len(service.pool.eligible) == 3
    assert {b.state for b in service.pool.eligible} == {State.UP}


def test_failures_of_a_restored_backend_are_ignored():
    service = Service(3)
    for number in (0, 1):
        service.attempt(service.backends[number], UNREACHABLE)
    assert service.out == [1, 2]
    three = tuple(endpoint(n) for n in (1, 2, 3))
    restored = ((three[0].key, Overlay(restored=True)),)
    service.pool.apply(PoolState("web", three, overlays=restored))
    assert service.out == [2]
    assert service.noticed[-1] is service.backends[0]
    service.attempt(service.backends[0], UNREACHABLE)
    service.pool.on_peer_update(service.backends[0].identity, State.EJECTED, until=service.now + 9)
    assert service.out == [2]
    service.pool.apply(PoolState("web", (endpoint(1), endpoint(2), endpoint(3))))
    assert service.out == [2], "the end of the decision changes nothing by itself"
    service.attempt(service.backends[0], UNREACHABLE)
    assert service.out == [1, 2]


def test_the_end_of_an_exclusion_does_not_return_a_removed_backend():
    service = Service(3)
    service.attempt(service.backends[0], UNREACHABLE)
    service.pool.apply(PoolState("web", (endpoint(2), endpoint(3))))
    service.later(60)
    assert service.backends[0].state is State.GONE
    assert service.backends[0] not in service.pool.eligible


def test_health_updates_of_other_workers_are_applied_and_not_forwarded():
    service = Service(3)
    first = service.backends[0]
    service.pool.on_peer_update(first.identity, State.SUSPECT, until=service.now + 1, unreachable=True)
    assert (service.out, first.state, service.noticed) == ([1], State.SUSPECT, [])
    service.later(1)
    assert (service.out, first.state) == ([1], State.HALF_OPEN)
    service.noticed.clear()
    service.pool.on_peer_update(first.identity, State.UP, until=service.now)
    assert (service.out, service.noticed) == ([], []), "another worker has restored it"
    service.pool.on_peer_update(first.identity, State.EJECTED, until=service.now + 10)
    service.pool.on_peer_update(first.identity, State.UP, until=service.now)
    assert service.out == []
    service.attempt(first, UNREACHABLE)
    service.pool.on_peer_update(first.identity, State.UP, since=service.now - 1, until=service.now)
    assert service.out == [1], "an older mark is over; this one is not"
    service.pool.on_peer_update(first.identity, State.UP, since=service.now, until=service.now)
    service.pool.on_peer_update((("", "", "unknown"), "10.0.0.9:80"), State.SUSPECT, until=service.now + 1)
    assert service.out == []


class PoolUnderFailure(RuleBasedStateMachine):
    """For any results of requests, a backend is always eligible and all are restored eventually."""

    def __init__(self):
        super().__init__()
        self.service = Service(5)

    @rule(
        number=st.integers(0, 4),
        result=st.sampled_from([200, 404, 500, 503, UNREACHABLE, RESET, LATE, LEFT]),
    )
    def request(self, number, result):
        self.service.attempt(self.service.backends[number], result)

    @rule(seconds=st.floats(0, 40))
    def time_passes(self, seconds):
        self.service.later(seconds)

    @invariant()
    def somebody_is_left(self):
        assert self.service.pool.eligible

    @invariant()
    def at_most_half_are_ejected(self):
        assert sum(b.state is State.EJECTED for b in self.service.backends) <= 2

    @invariant()
    def who_is_fit_is_in(self):
        fit = {b for b in self.service.backends if b.state is State.UP}
        assert fit <= set(self.service.pool.eligible)
        if len(fit) >= 3:
            assert set(self.service.pool.eligible) == fit

    @invariant()
    def a_half_open_backend_receives_the_next_request(self):
        waiting = {b for b in self.service.backends if b.state is State.HALF_OPEN}
        waiting -= set(self.service.pool.eligible)
        assert set(self.service.pool.half_open) == waiting
        assert self.service.pool.upcoming() in (waiting or set(self.service.pool.eligible))

    def teardown(self):
        self.service.later(301)
        for backend in self.service.backends:
            self.service.attempt(backend, 200)
        assert {b.state for b in self.service.backends} == {State.UP}


TestPoolUnderFailure = PoolUnderFailure.TestCase
