from types import SimpleNamespace

import pytest

from pylb.config import Options
from pylb.control.aggregate import Aggregate
from pylb.control.control import Control
from pylb.control.services import LiveServices
from pylb.ipc.control_server import ControlServer
from pylb.model import Endpoint, Snapshot
from pylb.observe.counters import Counters
from pylb.observe.shared_counters import SharedCounters
from tests.control.test_routing import declared
from tests.until import until

WEB = Endpoint("web", "10.0.0.1", 80, id="web-1")


@pytest.fixture
async def live():
    """Live services without processes; `listed` is what the catalog lists."""
    options, counters = Options(static="10.0.0.1:80"), Counters(SharedCounters(), lambda: 0.0)
    aggregate, server = Aggregate(lambda _: options, counters), ControlServer(None)
    routed, listed = set(), set()

    def deliver(state, applied):
        aggregate.apply(state)
        server.publish(aggregate.update(state.service), applied)

    control = Control(options, [], deliver, counters, is_routed=lambda s: s.service in routed)
    services = LiveServices(control, aggregate, server, listed.__contains__, lambda: None)
    return SimpleNamespace(
        services=services, control=control, aggregate=aggregate, server=server, routed=routed, listed=listed
    )


async def test_a_service_has_a_pool_from_its_first_route_to_its_last(live):
    live.routed.add("web")
    live.services.add(declared("web", "/"))
    assert live.aggregate.services == ("web",)
    assert not live.services.has_state("web")
    live.control.pipelines["web"]._update(Snapshot("web", (WEB,)))
    assert live.services.has_state("web")
    live.services.publish({"web": declared("web", "/")})
    assert [*live.server.declarations] == ["web"]
    live.services.publish({"web": None})
    live.services.remove("web")
    assert (live.aggregate.services, {*live.control.pipelines}, live.server.updates) == ((), set(), {})


async def test_a_service_that_was_followed_before_is_delivered_at_once(live):
    live.control.follow("web")
    live.control.pipelines["web"]._update(Snapshot("web", (WEB,)))
    assert live.server.updates == {}, "a service without a route has no pool"
    live.routed.add("web")
    live.services.add(declared("web", "/"))
    await until(lambda: live.services.has_state("web"))
    assert [each.id for each in live.aggregate.applied("web").endpoints] == ["web-1"]


async def test_a_service_without_a_route_is_still_followed_if_the_catalog_lists_it(live):
    live.listed.add("web")
    live.services.add(declared("web", "/"))
    live.services.remove("web")
    assert [*live.control.pipelines] == ["web"]


async def test_a_service_that_pylb_answers_itself_has_no_pool(live):
    redirect = declared("old", "/old redirect=301,/new")
    live.services.add(redirect)
    assert live.services.has_state("old")
    live.services.remove("old")
    assert live.aggregate.services == ()


async def test_other_fixed_backends_replace_the_pipeline(live):
    live.routed.add("web")
    live.services.add(declared("web", "/", backends="10.0.0.1:80"))
    before = live.control.pipelines["web"]
    live.services.change(declared("web", "/", backends="10.0.0.2:80"))
    assert live.control.pipelines["web"] is not before
    assert live.services.statuses["web"] is live.control.pipelines["web"].status


async def test_a_change_of_the_routes_is_in_the_history(live):
    live.services.publish({"web": declared("web", "/"), "old": None})
    (entry,) = live.control.recorder.history.since()
    assert (entry.service, entry.generation) == ("", 1)
    assert entry.cause == "routes: web declared, old removed"
