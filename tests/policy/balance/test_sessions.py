"""Sticky sessions of a pool: a session keeps its backend, moves once, and newcomers get new sessions only."""

from collections import Counter
from dataclasses import replace

import pytest

from pylb.errors import Fault, Phase, ProxyError
from pylb.model import PoolState
from pylb.policy.backend import State
from pylb.policy.balance.sessions import MOVED, NEW, token_of
from tests.policy.backends import endpoint, web_pool

SECRET = b"a key of the test"
UNREACHABLE = ProxyError(Phase.CONNECT, Fault.UPSTREAM, "refused")


class Service:
    """A pool with sessions, and the sessions that its clients have."""

    def __init__(self, size=4, secret=SECRET, **options):
        self.pool = web_pool(sticky="cookie:pylb", secret=secret, clock=lambda: 100.0, **options)
        self.apply(*map(endpoint, range(1, size + 1)))

    def apply(self, *endpoints):
        self.endpoints = endpoints
        self.pool.apply(PoolState("web", endpoints))

    def request(self, token=None, tried=()):
        """Serve a request; return the token that its response has."""
        return token_of(SECRET, "web", self.pool.lease(tried, 100.0, token).backend.name)


def test_a_session_keeps_its_backend():
    service = Service()
    sessions = [service.request() for _ in range(20)]
    assert len(set(sessions)) == 4
    assert [service.request(token) for token in sessions] == sessions
    assert service.pool.events == {NEW: 20}


def test_two_nodes_with_one_key_agree_and_others_do_not():
    token = Service().request()
    assert Service().request(token) == token
    other = Service(secret=b"another key")
    other.request(token)
    assert other.pool.events[MOVED] == 1


@pytest.mark.parametrize("token", [b"forged", b"", b"\xff" * 400])
def test_a_forged_token_is_a_new_session(token):
    service = Service()
    assert service.request(token) in {service.request() for _ in range(8)}


def test_a_session_moves_once_when_its_backend_is_gone_and_others_stay():
    service = Service()
    sessions = {service.request() for _ in range(20)}
    gone = token_of(SECRET, "web", service.endpoints[0].authority)
    service.apply(*service.endpoints[1:])
    moved = service.request(gone)
    assert moved != gone
    assert service.request(moved) == moved
    assert {service.request(token) for token in sessions - {gone}} == sessions - {gone}
    assert service.pool.events[MOVED] == 1


def test_a_session_moves_when_its_backend_fails():
    service = Service()
    token = service.request()
    with service.pool.lease((), 100.0, token) as lease:
        lease.error = UNREACHABLE
    assert lease.backend.state is State.SUSPECT
    assert service.request(token) != token


def test_a_retry_goes_to_another_backend():
    service = Service()
    token = service.request()
    backend = service.pool.lease((), 100.0, token).backend
    assert service.request(token, (backend,)) != token


def test_a_newcomer_receives_new_sessions_and_none_of_the_others():
    service = Service(slow_start=0.0)
    sessions = [service.request() for _ in range(8)]
    service.apply(*service.endpoints, endpoint(9))
    newcomer = token_of(SECRET, "web", endpoint(9).authority)
    assert [service.request(token) for token in sessions] == sessions
    assert service.request() == newcomer, "its first request is a new session"


def test_a_backend_of_weight_0_keeps_its_sessions():
    service = Service()
    token = service.request()
    first, *others = service.endpoints
    leaving = next(e for e in service.endpoints if token_of(SECRET, "web", e.authority) == token)
    service.apply(*(replace(e, weight=0) if e is leaving else e for e in (first, *others)))
    assert service.request(token) == token
    assert token not in {service.request() for _ in range(20)}


def test_a_standby_keeps_the_sessions_that_it_got():
    service = Service(2)
    service.apply(endpoint(1), endpoint(2, priority=1))
    best = service.pool.backends[endpoint(1).key, endpoint(1).authority]
    best.state = State.FAILED
    service.pool.rebuild()
    token = service.request()
    best.state = State.UP
    service.pool.rebuild()
    assert service.request(token) == token


def test_a_full_backend_passes_its_sessions_on():
    service = Service(max_conn=1)
    token = service.request()
    service.pool.lease((), 100.0, token).backend.count(+1)
    assert service.request(token) != token


def test_the_next_request_of_a_session_is_foretold():
    service = Service()
    token = service.request()
    assert token_of(SECRET, "web", service.pool.upcoming(token).name) == token
    assert service.pool.upcoming() is not None


def test_a_token_reveals_nothing_and_depends_on_everything():
    tokens = Counter(
        token_of(secret, service, name)
        for secret in (b"a" * 16, b"b" * 16)
        for service in ("web", "api")
        for name in ("10.0.0.1:80", "10.0.0.2:80")
    )
    assert len(tokens) == 8
    assert {len(token) for token in tokens} == {22}
