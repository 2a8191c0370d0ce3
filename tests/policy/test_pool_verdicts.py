"""Effects of active probes on a pool: failed backends are excluded while enough others are healthy."""

from dataclasses import replace

import pytest

from pylb.errors import Fault, Phase, ProxyError
from pylb.model import PLAIN, Overlay, PoolState, ProbeVerdict
from pylb.policy.backend import State
from tests.policy.backends import endpoint, web_pool

UNREACHABLE = ProxyError(Phase.CONNECT, Fault.UPSTREAM, "refused")


class Service:
    """A pool of three backends and their verdicts."""

    def __init__(self):
        self.now = 100.0
        self.noticed = []
        self.pool = web_pool(clock=lambda: self.now, on_state_change=lambda b: self.noticed.append(b.state))
        self.endpoints = {n: endpoint(n) for n in (1, 2, 3)}
        self.overlays = {}
        self.register()
        self.backends = list(self.pool.backends.values())

    def register(self):
        overlays = tuple((endpoint(n).key, overlay) for n, overlay in self.overlays.items())
        self.pool.apply(PoolState("web", tuple(self.endpoints.values()), overlays=overlays))

    def set_verdict(self, number, *, well, unreachable=False, **overlay):
        before = self.overlays.get(number, PLAIN).verdict
        verdict = ProbeVerdict(well, before.number + 1 if before else 1, unreachable=unreachable)
        self.overlays[number] = Overlay(verdict=verdict, **overlay)
        self.register()

    def attempt(self, number, result):
        lease = self.pool.lease((), self.now)
        lease.backend = self.backends[number - 1]
        with lease:
            lease.status = result if isinstance(result, int) else 0
            lease.error = None if lease.status else result

    @property
    def eligible(self):
        return [n for n, backend in enumerate(self.backends, 1) if backend in self.pool.eligible]


def test_a_failed_backend_is_excluded_until_its_probes_succeed():
    service = Service()
    service.set_verdict(1, well=False)
    assert (service.eligible, service.backends[0].state) == ([2, 3], State.FAILED)
    service.now += 1000
    service.pool.tick(service.now)
    service.attempt(1, 200)
    service.attempt(1, UNREACHABLE)
    service.endpoints[1] = replace(service.endpoints[1], tags=("v2",))
    service.register()
    assert service.eligible == [2, 3]
    service.set_verdict(1, well=True)
    assert service.eligible == [1, 2, 3]
    assert service.noticed == [State.FAILED, State.UP]
    assert service.pool.events == {"failed": 1, "up": 1}


@pytest.mark.parametrize("result", [UNREACHABLE, 500])
def test_a_successful_probe_clears_passive_health(result):
    service = Service()
    for _ in range(5):
        service.attempt(1, result)
    assert service.eligible == [2, 3]
    service.set_verdict(1, well=True)
    assert service.eligible == [1, 2, 3]
    assert service.backends[0].health.failures == 0
    service.register()
    service.attempt(1, UNREACHABLE)
    assert service.eligible == [2, 3]


def test_if_too_many_fail_only_backends_without_connections_are_excluded():
    service = Service()
    service.set_verdict(1, well=False)
    service.set_verdict(2, well=False, unreachable=True)
    assert (service.eligible, service.pool.panics) == ([1, 3], True)
    service.set_verdict(3, well=False)
    assert service.eligible == [1, 3]
    service.set_verdict(1, well=True)
    service.set_verdict(3, well=True)
    assert (service.eligible, service.pool.panics) == ([1, 3], False)


def test_a_new_failed_instance_starts_as_failed():
    service = Service()
    service.endpoints[4] = endpoint(4)
    service.overlays[4] = Overlay(verdict=ProbeVerdict(well=False, number=1))
    service.register()
    assert len(service.pool.eligible) == 3


def test_overrides_take_precedence_over_probes():
    service = Service()
    service.set_verdict(1, well=False, restored=True)
    assert service.eligible == [1, 2, 3]
    service.set_verdict(1, well=False, restored=False)
    assert service.eligible == [2, 3]


def test_without_probes_a_verdict_is_dropped():
    service = Service()
    service.set_verdict(1, well=False)
    service.overlays.clear()
    service.register()
    assert service.eligible == [1, 2, 3]


def test_another_worker_cannot_restore_a_failed_backend():
    service = Service()
    service.set_verdict(1, well=False)
    service.pool.on_peer_update(service.backends[0].identity, State.UP, until=0.0)
    assert service.eligible == [2, 3]
