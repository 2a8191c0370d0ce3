import asyncio
from dataclasses import replace
from types import SimpleNamespace

import pytest

from pylb.config import Options
from pylb.control import catalog as catalog_module
from pylb.control.catalog import CatalogServices
from pylb.control.routing import Routing
from pylb.model import Endpoint, Excluded, Snapshot
from pylb.routes.catalog import RANK, Rules
from pylb.runtime.lifecycle import TaskScope, keep_running
from tests.control.test_routing import Services, declared
from tests.until import until

WEB = Endpoint("web", "10.0.0.1", 80, id="web-1", meta=(("lb_route", "/web"),))


class Control:
    """Pipelines that do nothing."""

    def __init__(self):
        self.pipelines = {}
        self.stored = []

    def stored_services(self):
        return self.stored

    def follow(self, service):
        responded = asyncio.Event()
        self.pipelines.setdefault(service, SimpleNamespace(responded=responded, current=None))

    def unfollow(self, service):
        del self.pipelines[service]


@pytest.fixture
def control():
    return Control()


@pytest.fixture
async def routing():
    return Routing(Options(static="10.0.0.1:80"), Services())


@pytest.fixture
async def names():
    """The names that the catalog yields, or the errors that it raises."""
    return asyncio.Queue()


@pytest.fixture
async def catalog(control, routing, names):
    async def follow():
        while True:
            found = await names.get()
            if isinstance(found, Exception):
                raise found
            yield frozenset(found)

    made = CatalogServices(follow, Rules(), control, routing)
    async with TaskScope("test") as scope:
        keep_running(made.run, name="follow the catalog", scope=scope)
        yield made


async def test_each_listed_service_is_followed(catalog, control, names):
    names.put_nowait({"web", "db"})
    await catalog.listed.wait()
    assert {*control.pipelines} == {"web", "db"}
    assert catalog.is_listed("db")
    names.put_nowait({"web"})
    await until(lambda: {*control.pipelines} == {"web"})


async def test_a_service_with_a_route_is_declared_also_by_unhealthy_instances(catalog, routing):
    catalog.read(Snapshot("db", (replace(WEB, service="db", meta=()),)))
    assert routing.declarations == {}
    catalog.read(Snapshot("web", (), (Excluded(WEB, "critical"),)))
    assert [*routing.declarations] == ["web"]
    catalog.read(Snapshot("web", ()))
    assert routing.declarations == {}


async def test_a_service_with_instances_is_followed_although_the_catalog_lists_it_no_longer(
    catalog, control, names
):
    """A registry that has restarted lists nothing; the guard decides what is gone."""
    names.put_nowait({"web"})
    await catalog.listed.wait()
    control.pipelines["web"].current = snapshot = Snapshot("web", (WEB,))
    catalog.read(snapshot)
    names.put_nowait(set())
    await until(lambda: not catalog.is_listed("web"))
    assert [*control.pipelines] == ["web"]
    control.pipelines["web"].current = Snapshot("web", ())
    catalog.read(Snapshot("web", ()))
    await until(lambda: control.pipelines == {})


async def test_a_service_that_another_source_declares_stays(catalog, control, routing, names):
    routing.declare(1, "web", declared("web", "/"))
    names.put_nowait({"web"})
    await catalog.listed.wait()
    names.put_nowait(set())
    await until(lambda: not catalog.is_listed("web"))
    assert [*control.pipelines] == ["web"]


async def test_an_error_of_the_catalog_is_a_problem_until_it_responds(catalog, control, routing, names):
    names.put_nowait({"web"})
    await catalog.listed.wait()
    names.put_nowait(OSError("connection refused"))
    await until(lambda: routing.problems)
    assert routing.problems[0].text == "the catalog cannot be read: connection refused"
    assert catalog.is_listed("web"), "nothing is removed"
    names.put_nowait({"web"})
    await until(lambda: not routing.problems)


async def test_declarations_have_the_rank_and_the_age_of_the_service(catalog, routing):
    catalog.read(Snapshot("web", (replace(WEB, created=7), replace(WEB, id="web-2", created=5))))
    assert routing.declarations["web"].order == (RANK, 5)


async def test_services_on_disk_are_followed_while_the_catalog_has_not_responded(catalog, control, names):
    control.stored = ["web", "old"]
    names.put_nowait(OSError("connection refused"))
    await catalog.tried.wait()
    assert {*control.pipelines} == {"web", "old"}
    names.put_nowait({"web", "db"})
    await until(lambda: {*control.pipelines} == {"web", "db"})


async def test_responses_are_awaited_of_each_listed_service(catalog, control, names):
    waiting = asyncio.get_running_loop().create_task(catalog.responses())
    names.put_nowait({"web", "db"})
    await catalog.listed.wait()
    control.pipelines["web"].responded.set()
    await asyncio.sleep(0)
    assert not waiting.done()
    control.pipelines["db"].responded.set()
    await waiting


async def test_a_failure_is_tried_but_not_listed(catalog, names):
    names.put_nowait(OSError("refused"))
    await catalog.tried.wait()
    assert not catalog.listed.is_set()


async def test_services_beyond_the_limit_are_a_problem_until_there_is_room(
    catalog, control, routing, names, monkeypatch
):
    monkeypatch.setattr(catalog_module, "MOST_SERVICES", 2)
    names.put_nowait({"m", "web"})
    await catalog.listed.wait()
    names.put_nowait({"a", "b\n", "m", "web"})
    await until(lambda: routing.problems)
    assert {*control.pipelines} == {"m", "web"}, "those that are followed are kept"
    assert not catalog.is_listed("a")
    (problem,) = routing.problems
    limit = "the catalog has more than 2 services, the most that are followed"
    assert problem.text == f"{limit}; left out: 'a', 'b\\\\n'"
    control.pipelines["web"].current = Snapshot("web", (WEB,))
    names.put_nowait({"a", "m"})
    await until(lambda: routing.problems[0].text.endswith(": 'a'"))
    assert {*control.pipelines} == {"m", "web"}, "its instances are not gone yet"
    control.pipelines["web"].current = Snapshot("web", ())
    catalog.read(Snapshot("web", ()))
    await until(lambda: {*control.pipelines} == {"a", "m"})
    assert routing.problems == []


async def test_an_instance_that_cannot_be_read_is_a_problem_of_its_service(catalog, routing):
    bad = Excluded(Endpoint("web", "", 0, id="web-2"), "invalid: too many tags", cause="invalid")
    catalog.read(Snapshot("web", (), (bad,)))
    (problem,) = routing.problems
    assert (problem.service, problem.text) == ("web", "'web-2' is excluded: invalid: too many tags")
    catalog.read(Snapshot("web", (WEB,), (bad,)))
    assert routing.problems == [], "the service has a pool now, which shows it"
