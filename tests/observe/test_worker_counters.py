"""See tests/control/test_aggregate.py for what others make of it."""

from pylb.model import Endpoint, PoolState
from pylb.observe.gauges import HTTP2_CONNECTIONS, HTTP2_REQUESTS, IN_FLIGHT, PROCESS, SERVES, SLOTS
from pylb.observe.shared_counters import SharedCounters
from pylb.observe.worker_counters import WorkerCounters
from pylb.policy.backend import State
from pylb.policy.shared import SharedBackend, SharedPool

WEB = Endpoint("web", "10.0.0.1", 80)


def test_counters_have_the_assigned_index():
    shared = SharedCounters(rows=2, row=1)
    counters = WorkerCounters(shared)
    counters.service("web")[0] += 1
    counters.assign("web", 3, {WEB.authority: 4})
    backend = SharedBackend(WEB)
    counters.attach(backend)
    backend.counters[0] += 10
    backend.count(+1)
    counters.service("web")[0] += 100
    assert (shared.total(3)[0], shared.total(4)[0]) == (100, 10), "and what came before is lost"
    assert shared.gauge(4, IN_FLIGHT).tolist() == [0, 1]
    counters.detach(backend)
    backend.counters[0] += 1000
    assert (shared.total(3)[0], shared.total(4)[0]) == (1100, 10)
    assert shared.gauge(4, IN_FLIGHT).tolist() == [0, 1], "what runs there is seen until it has ended"


def test_a_removed_backend_publishes_nothing():
    counters = WorkerCounters(SharedCounters())
    counters.assign("web", 3, {})
    gone = SharedBackend(WEB)
    counters.publish(gone)
    counters.assign("web", 3, {WEB.authority: 4})
    gone.state = State.DRAINING
    counters.publish(gone)


class Multiplexed:
    def usage(self):
        return 2, 17


def test_connections_with_http2_are_published_with_their_requests():
    shared = SharedCounters()
    counters = WorkerCounters(shared)
    counters.assign("web", 3, {WEB.authority: 4})
    backend = SharedBackend(WEB)
    backend.multiplexed = Multiplexed()
    counters.publish(backend)
    assert [sum(shared.gauge(4, which)) for which in (HTTP2_CONNECTIONS, HTTP2_REQUESTS)] == [2, 17]


class Worker:
    """One of those that share a memory with room for sixteen."""

    def __init__(self, row, memory):
        self.counters = WorkerCounters(SharedCounters(rows=16, row=row, gauges=lambda _: memory))
        self.counters.assign("web", 3, {WEB.authority: 4})
        self.pool = SharedPool("web")
        (self.backend,) = self.pool.apply(PoolState("web", (WEB,))).added
        self.counters.attach(self.backend)

    def meet(self):
        self.counters.meet([self.pool])

    def sees(self):
        self.backend.refresh()
        return self.backend.elsewhere


def test_workers_read_each_others_counts_in_any_start_order():
    memory = bytearray(1 << 20)
    first, second = Worker(0, memory), Worker(1, memory)
    first.counters.shared.gauge(PROCESS, SLOTS)[15] = 5
    for worker in (first, second, first):
        worker.meet()
        worker.backend.count(+1)
    assert (first.sees(), second.sees()) == (1, 2)

    late = Worker(7, memory)
    late.backend.count(+1)
    assert (first.sees(), late.sees()) == (1, 3), "it looks at all before it has met anybody"
    for worker in (late, first, second):
        worker.meet()
    assert (first.sees(), second.sees(), late.sees()) == (2, 3, 3)
    assert first.counters.shared.gauge(4, IN_FLIGHT).tolist() == [2, 1, 0, 0, 0, 0, 0, 1, *[0] * 8]

    assert first.counters.shared.forget(7) == 1
    for worker in (first, second):
        worker.meet()
    assert (first.sees(), second.sees()) == (1, 2)
    assert first.counters.shared.gauge(PROCESS, SERVES).tolist()[:8] == [1, 1, 0, 0, 0, 0, 0, 0]


def test_a_worker_that_is_alone_reads_no_loads_of_others():
    memory = bytearray(1 << 20)
    first, second = Worker(3, memory), Worker(1, memory)
    first.counters.shared.gauge(PROCESS, SLOTS)[15] = 5
    first.meet()
    assert first.pool._refreshed == ()
    second.meet()
    second.backend.count(+1)
    first.meet()
    assert first.pool._refreshed == (first.backend,)
    first.pool.lease()
    assert first.backend.elsewhere == 1
    first.counters.shared.forget(1)
    first.meet()
    assert (first.pool._refreshed, first.backend.elsewhere) == ((), 0)


def test_a_removed_service_is_forgotten_and_its_last_requests_count():
    shared = SharedCounters(rows=2)
    counters = WorkerCounters(shared)
    backend = SharedBackend(WEB)
    for number in range(1000):
        name = f"web-{number}"
        counters.assign(name, 3, {WEB.authority: 4})
        counters.forget(name)
    counters.assign("web", 3, {WEB.authority: 4})
    counters.attach(backend)
    counters.detach(backend)
    counters.forget("web")
    counters.forget("never seen")
    assert [*counters._services, *counters._places, *counters._slots] == []
    backend.counters[0] += 1
    counters.publish(backend)
    counters.service("web")[0] += 5
    assert shared.total(3)[0] == 1
