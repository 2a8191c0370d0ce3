import pytest

from pylb.admin.views import View
from pylb.discovery.status import WatchStatus
from pylb.model import Snapshot
from pylb.observe.block import Block
from pylb.observe.counters import Counters
from pylb.policy.pool import Pool
from pylb.process.lifecycle import Lifecycle


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def view(clock):
    """A process that has just started, for the services `web` and `api`."""
    counters = Counters(Block(), clock)
    names = ("web", "api")
    return View(
        lifecycle=Lifecycle(),
        pools={name: Pool(name, cells=counters.allocate) for name in names},
        watches={name: WatchStatus(name) for name in names},
        counters=counters,
        connections=lambda: 5,
        log_lines_dropped=lambda: 2,
        clock=clock,
    )


@pytest.fixture
def know(view):
    """Lets the registry answer."""

    def answer(service, *endpoints, excluded=()):
        snapshot = Snapshot(service, endpoints, excluded, generation=1, cause="consul index 7: +web-1")
        view.pools[service].apply(snapshot)
        view.watches[service].answered = view.clock()
        view.watches[service].instances = len(endpoints)
        view.watches[service].error = ""

    return answer
