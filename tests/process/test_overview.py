import pytest

from pylb.config import Options
from pylb.model import Endpoint, Snapshot
from pylb.observe.assigned import AssignedCounters
from pylb.observe.block import PAGE_SLOTS, Block
from pylb.observe.cells import CELLS
from pylb.observe.counters import Counters
from pylb.observe.gauges import GAUGES
from pylb.policy.backend import State
from pylb.policy.queue import Ticket
from pylb.policy.shared import SharedPool
from pylb.process.overview import Overview

ONE, TWO = (Endpoint("web", f"10.0.0.{n}", 80, id=f"web-{n}") for n in (1, 2))


@pytest.fixture
def blocks():
    """Of two workers and control."""
    counters, gauges = (bytearray(3 * PAGE_SLOTS * each * 8) for each in (CELLS, GAUGES))
    return [Block(rows=3, row=r, counters=lambda _: counters, gauges=lambda _: gauges) for r in range(3)]


@pytest.fixture
def overview(blocks):
    return Overview(Options(), ["web"], Counters(blocks[2], lambda: 0.0))


class Worker:
    def __init__(self, block):
        self.counters = AssignedCounters(block)
        self.pool = SharedPool("web")

    def apply(self, update):
        self.counters.assign(update.service, update.slot, update.slots)
        change = self.pool.apply(update.snapshot)
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
    return [Worker(block) for block in blocks[:2]]


def apply(overview, workers, *endpoints, generation=1):
    overview.apply(Snapshot("web", endpoints, generation=generation))
    for worker in workers:
        worker.apply(overview.update("web"))


def shown(overview, endpoint):
    overview.refresh()
    pool = overview.pools["web"]
    identity = (endpoint.key, endpoint.authority)
    return pool.backends.get(identity) or pool.draining.get(identity)


def test_what_all_workers_have_on_a_backend(overview, workers):
    apply(overview, workers, ONE, TWO)
    leases = [worker.pool.lease() for worker in workers for _ in range(2)]
    for lease in leases:
        lease.__enter__()
    workers[0].backend(ONE).idle.append(object())
    workers[1].backend(ONE).idle.append(object())
    for worker in workers:
        worker.publish()
    assert sum(shown(overview, e).inflight for e in (ONE, TWO)) == 4
    assert len(shown(overview, ONE).idle) == 2
    for lease in leases:
        lease.__exit__(None, None, None)
    assert shown(overview, ONE).inflight == shown(overview, TWO).inflight == 0


def test_a_backend_that_left_is_shown_until_the_last_worker_has_finished(overview, workers):
    apply(overview, workers, ONE, TWO)
    lease = workers[1].pool.lease()
    lease.__enter__()
    left, stays = (ONE, TWO) if lease.backend.endpoint == ONE else (TWO, ONE)
    apply(overview, workers, stays, generation=2)
    assert shown(overview, left).state is State.DRAINING
    assert shown(overview, left).inflight == 1
    lease.__exit__(None, None, None)
    assert shown(overview, left) is None


@pytest.mark.parametrize("state", [State.SUSPECT, State.EJECTED])
def test_the_worst_that_any_worker_knows_of_a_backend(overview, workers, state):
    apply(overview, workers, ONE, TWO)
    bad = workers[1].backend(ONE)
    bad.state, bad.health.failures, bad.health.until = state, 4, 12.5
    for worker in workers:
        worker.publish()
    found = shown(overview, ONE)
    assert (found.state, found.health.failures, found.health.until) == (state, 4, 12.5)
    assert shown(overview, TWO).state is State.UP
    assert overview.pools["web"].eligible == (shown(overview, TWO),)
    bad.state = State.UP
    workers[1].publish()
    assert shown(overview, ONE).state is State.UP


def test_panic_in_any_worker_is_shown(overview, workers):
    apply(overview, workers, ONE, TWO)
    workers[0].pool.panics = True
    workers[0].publish()
    overview.refresh()
    assert overview.pools["web"].panics
    workers[0].pool.panics = False
    workers[0].publish()
    overview.refresh()
    assert not overview.pools["web"].panics


def test_requests_that_wait_in_any_worker_are_shown_together(overview, workers):
    apply(overview, workers, ONE)
    for worker, count in zip(workers, (1, 2), strict=True):
        for _ in range(count):
            worker.pool.join_queue(Ticket((), lambda: None))
        worker.publish()
    overview.refresh()
    assert overview.pools["web"].waiting == 3


def test_workers_count_where_control_looks(overview, workers):
    apply(overview, workers, ONE, TWO)
    for worker in workers:
        worker.backend(ONE).cells[3] += 5
        worker.counters.service("web")[3] += 1
    services, backends = overview._counters.read()
    assert backends["web", "10.0.0.1:80"][3] == 10
    assert services["web"][3] == 12
    apply(overview, workers, TWO, generation=2)
    services, backends = overview._counters.read()
    assert list(backends) == [("web", "10.0.0.2:80")]
    assert services["web"][3] == 12, "what a backend has counted stays its service's"


def test_who_joins_is_introduced_by_the_workers(overview, workers):
    for endpoints in ((ONE,), (ONE, TWO)):
        overview.apply(Snapshot("web", endpoints))
        for worker in workers:
            worker.apply(overview.update("web"))
    assert overview.pools["web"].newcomers == []
    for worker in workers:
        assert worker.pool.lease().backend.endpoint == TWO
        assert worker.pool.lease().backend.endpoint in {ONE, TWO}
        assert worker.pool.newcomers == []
