from dataclasses import replace

import pytest

from pylb.config import Options
from pylb.config.backends import POLICIES
from pylb.control.aggregate import Aggregate
from pylb.model import Endpoint, Overlay, PoolState, ProbeVerdict
from pylb.observe.counter_layout import SLOT_LENGTH
from pylb.observe.counters import Counters
from pylb.observe.gauges import GAUGES
from pylb.observe.shared_counters import PAGE_SLOTS, SharedCounters
from pylb.observe.worker_counters import WorkerCounters
from pylb.policy.backend import State
from pylb.policy.queue import QueuedRequest
from pylb.policy.shared import SharedPool

ONE, TWO = (Endpoint("web", f"10.0.0.{n}", 80, id=f"web-{n}") for n in (1, 2))


@pytest.fixture
def blocks():
    """Of two workers and control."""
    counters, gauges = (bytearray(3 * PAGE_SLOTS * each * 8) for each in (SLOT_LENGTH, GAUGES))
    return [
        SharedCounters(rows=3, row=r, counters=lambda _: counters, gauges=lambda _: gauges) for r in range(3)
    ]


@pytest.fixture
def aggregate(blocks):
    made = Aggregate(lambda _: Options(), Counters(blocks[2], lambda: 0.0))
    made.add("web")
    return made


class Worker:
    def __init__(self, shared):
        self.counters = WorkerCounters(shared)
        self.pool = SharedPool("web")

    def apply(self, update):
        self.counters.assign(update.service, update.slot, update.slots)
        change = self.pool.apply(update.state)
        for backend in change.removed:
            self.counters.detach(backend)
        for backend in change.added:
            self.counters.attach(backend)

    def backend(self, endpoint):
        return self.pool.backends[endpoint.key, endpoint.authority]

    def publish(self):
        self.counters.publish_pool(self.pool)
        for backend in self.pool.backends.values():
            self.counters.publish(backend)


@pytest.fixture
def workers(blocks):
    return [Worker(shared) for shared in blocks[:2]]


def apply(aggregate, workers, *endpoints, generation=1):
    aggregate.apply(PoolState("web", endpoints, generation=generation))
    for worker in workers:
        worker.apply(aggregate.update("web"))


def shown(aggregate, endpoint):
    row = aggregate.row("web")
    return next((each for each in (*row.backends, *row.draining) if each.endpoint.id == endpoint.id), None)


def test_requests_of_all_workers_are_added_up(aggregate, workers):
    apply(aggregate, workers, ONE, TWO)
    leases = [worker.pool.lease() for worker in workers for _ in range(2)]
    for lease in leases:
        lease.__enter__()
    workers[0].backend(ONE).idle.append(object())
    workers[1].backend(ONE).idle.append(object())
    for worker in workers:
        worker.publish()
    assert sum(shown(aggregate, e).in_flight for e in (ONE, TWO)) == 4
    assert shown(aggregate, ONE).idle == 2
    for lease in leases:
        lease.__exit__(None, None, None)
    assert shown(aggregate, ONE).in_flight == shown(aggregate, TWO).in_flight == 0


def test_a_draining_backend_is_shown_until_all_workers_have_finished(aggregate, workers):
    apply(aggregate, workers, ONE, TWO)
    lease = workers[1].pool.lease()
    lease.__enter__()
    left, stays = (ONE, TWO) if lease.backend.endpoint == ONE else (TWO, ONE)
    apply(aggregate, workers, stays, generation=2)
    assert shown(aggregate, left).state is State.DRAINING
    assert shown(aggregate, left).in_flight == 1
    lease.__exit__(None, None, None)
    assert shown(aggregate, left) is None


@pytest.mark.parametrize("state", [State.SUSPECT, State.EJECTED])
def test_the_worst_state_of_all_workers_is_shown(aggregate, workers, state):
    apply(aggregate, workers, ONE, TWO)
    bad = workers[1].backend(ONE)
    bad.state, bad.health.failures, bad.health.until = state, 4, 12.5
    for worker in workers:
        worker.publish()
    found = shown(aggregate, ONE)
    assert (found.state, found.failures, found.until) == (state, 4, 12.5)
    assert shown(aggregate, TWO).state is State.UP
    assert [each.endpoint for each in aggregate.row("web").eligible] == [TWO]
    assert aggregate.state_of(ONE) is state
    bad.state = State.UP
    workers[1].publish()
    assert shown(aggregate, ONE).state is State.UP


def test_panic_in_any_worker_is_shown(aggregate, workers):
    apply(aggregate, workers, ONE, TWO)
    workers[0].pool.panics = True
    workers[0].publish()
    assert aggregate.row("web").panics
    workers[0].pool.panics = False
    workers[0].publish()
    assert not aggregate.row("web").panics


def test_waiting_requests_of_all_workers_are_added_up(aggregate, workers):
    apply(aggregate, workers, ONE)
    for worker, count in zip(workers, (1, 2), strict=True):
        for _ in range(count):
            worker.pool.join_queue(QueuedRequest((), lambda: None))
        worker.publish()
    assert aggregate.row("web").waiting == 3


def test_workers_write_the_counters_that_control_reads(aggregate, workers):
    apply(aggregate, workers, ONE, TWO)
    for worker in workers:
        worker.backend(ONE).counters[3] += 5
        worker.counters.service("web")[3] += 1
    services, backends = aggregate._counters.read()
    assert backends["web", "10.0.0.1:80"][3] == 10
    assert services["web"][3] == 12
    apply(aggregate, workers, TWO, generation=2)
    services, backends = aggregate._counters.read()
    assert list(backends) == [("web", "10.0.0.2:80")]
    assert services["web"][3] == 12, "what a backend has counted stays its service's"


def test_the_ramp_of_slow_start_is_shown(aggregate, workers):
    apply(aggregate, workers, replace(ONE, weight=10))
    workers[1].backend(ONE).ramp(0.3)
    workers[1].publish()
    found = shown(aggregate, ONE)
    assert (found.ramp_fraction, found.weight) == (0.3, 3)
    workers[1].backend(ONE).ramp(1)
    workers[1].publish()
    assert (shown(aggregate, ONE).ramp_fraction, shown(aggregate, ONE).weight) == (1, 10)
    assert str(shown(aggregate, ONE).weight) == "10", "as the registry has it"


def test_an_instance_whose_probes_fail_is_shown_as_failed_by_its_state_alone(aggregate):
    overlays = ((ONE.key, Overlay(probe="tcp", verdict=ProbeVerdict(well=False, why="refused", number=1))),)
    aggregate.apply(PoolState("web", (ONE, TWO), overlays=overlays))
    assert shown(aggregate, ONE).state is State.FAILED
    assert aggregate.state_of(ONE) is State.GONE
    assert aggregate.upcoming("web") == TWO.authority


def test_in_panic_all_backends_that_accept_connections_are_eligible(aggregate, workers):
    apply(aggregate, workers, ONE, TWO)
    for endpoint in (ONE, TWO):
        bad = workers[0].backend(endpoint)
        bad.state, bad.health.until = State.EJECTED, 12.5
    workers[0].publish()
    assert aggregate.row("web").eligible == ()
    workers[0].pool.panics = True
    workers[0].publish()
    assert [each.endpoint for each in aggregate.row("web").eligible] == [ONE, TWO]


def test_before_the_first_state_no_backend_is_upcoming(aggregate):
    assert (aggregate.upcoming("web"), aggregate.applied("web")) == (None, None)
    assert "has not answered yet" in aggregate.row("web").why_empty()


def test_the_upcoming_backend_is_the_least_loaded_one_of_all_workers(aggregate, workers):
    apply(aggregate, workers, ONE, TWO)
    for worker, endpoint in zip(workers, (ONE, TWO), strict=True):
        worker.backend(endpoint).count(+1)
    workers[1].backend(ONE).count(+1)
    assert aggregate.upcoming("web") == TWO.authority


@pytest.mark.parametrize("policy", POLICIES)
def test_each_policy_has_an_upcoming_backend(aggregate, policy):
    aggregate.apply(PoolState("web", (replace(ONE, weight=0), TWO), policy=policy))
    assert aggregate.row("web").policy == policy
    assert aggregate.upcoming("web") == TWO.authority


def test_a_half_open_backend_is_upcoming_until_its_trial_runs(aggregate, workers):
    apply(aggregate, workers, ONE, TWO)
    trial = workers[0].backend(ONE)
    trial.state, trial.health.until = State.HALF_OPEN, 12.5
    workers[0].publish()
    assert aggregate.upcoming("web") == ONE.authority
    trial.count(+1)
    assert aggregate.upcoming("web") == TWO.authority
