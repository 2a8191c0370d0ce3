import pytest

from pylb.admin.access import Access
from pylb.admin.app import AdminApp
from pylb.admin.views import View
from pylb.config.backends import PoolOptions
from pylb.control.override_store import OverrideStore
from pylb.discovery.status import DiscoveryStatus
from pylb.model import Overlay, Snapshot
from pylb.observe.counters import Counters
from pylb.observe.history import History
from pylb.observe.samples import Samples
from pylb.observe.shared_counters import SharedCounters
from pylb.policy.overrides import pool_state
from pylb.policy.pool import Pool
from pylb.policy.pool_rows import PoolRows
from pylb.routes.declaration import declare
from pylb.routes.grammar import parse_service
from pylb.routes.table import RouteTable
from pylb.runtime.lifecycle import Lifecycle

WORKER = {"name": "worker 1", "pid": 4711, "generation": 1, "applied": {"web": 3}, "heartbeat_age": 0.1}


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def operator():
    """The override store. Its changes take effect at the next call of `know`."""
    operator = OverrideStore(lambda service, cause: None)
    yield operator
    operator.close()


@pytest.fixture
def counters(clock):
    return Counters(SharedCounters(), clock)


@pytest.fixture
def pools(counters):
    options = PoolOptions(slow_start=0.0)
    return {name: Pool(name, options, counters=counters.allocate) for name in ("web", "api")}


@pytest.fixture
def view(clock, operator, counters, pools):
    """The view of a process that has just started, for the services `web` and `api`."""
    declared = declare([parse_service("web"), parse_service("api=/api")])
    return View(
        lifecycle=Lifecycle(),
        rows=PoolRows(pools),
        watches={name: DiscoveryStatus(name) for name in pools},
        counters=counters,
        clock=clock,
        workers=lambda: [dict(WORKER)],
        table=lambda: RouteTable(declared),
        declared=lambda service: next((each for each in declared if each.service == service), None),
        history=History(),
        samples=Samples(counters),
        overrides=operator.overrides,
        config={"--policy": "least-connections", "--token": "(secret)"},
    )


@pytest.fixture
def app(view, operator):
    return AdminApp(view, operator, Access())


@pytest.fixture
def know(view, pools):
    """Deliver a snapshot from the registry."""

    def answer(service, *endpoints, excluded=()):
        state = pool_state(
            Snapshot(service, endpoints, excluded),
            {e.key: Overlay(probe=e.probe) for e in endpoints if e.probe},
            view.overrides.values(),
            generation=1,
            cause="consul index 7: +web-1",
        )
        view.history.was_applied(view.history.record(state), state.observed)
        pools[service].apply(state)
        view.watches[service].answered = view.clock()
        view.watches[service].instances = len(endpoints)
        view.watches[service].error = ""

    return answer
