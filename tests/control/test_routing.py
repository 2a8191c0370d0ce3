import asyncio
from dataclasses import replace

import pytest

from pylb.config import Options
from pylb.control.routing import Routing
from pylb.routes.declaration import Declarations, ServiceDeclaration
from pylb.routes.grammar import parse_route
from pylb.routes.route import Problem
from pylb.routes.table import RouteTable
from pylb.routes.text import service_text


class Services:
    """Records what follows from the declarations."""

    def __init__(self):
        self.added, self.changes, self.removed, self.published = [], [], [], []
        self.without_state = set()

    def add(self, declaration):
        self.added.append(declaration.service)

    def change(self, declaration):
        self.changes.append(declaration.service)

    def remove(self, service):
        self.removed.append(service)

    def has_state(self, service):
        return service not in self.without_state

    def publish(self, changed):
        self.published.append(changed)


@pytest.fixture
def services():
    return Services()


@pytest.fixture
async def routing(services):
    return Routing(Options(static="10.0.0.1:80"), services)


def declared(service, *texts, settings=(), backends="", order=(0, 0)):
    routes = tuple(parse_route(service, text, "test") for text in texts)
    return ServiceDeclaration(service, routes, tuple(settings), backends, order)


async def test_changes_of_one_moment_are_published_together(routing, services):
    routing.replace(0, Declarations((declared("web", "/"), declared("api", "/api"))))
    routing.declare(3, "shop", declared("shop", "/shop"))
    assert services.published == []
    await asyncio.sleep(0)
    (published,) = services.published
    assert {*published} == {"web", "api", "shop"}
    assert services.added == ["web", "api", "shop"]
    await asyncio.sleep(0)
    assert len(services.published) == 1


async def test_a_new_service_is_published_when_its_pool_has_a_state(routing, services):
    services.without_state.add("web")
    routing.declare(3, "web", declared("web", "/"))
    routing.publish()
    assert services.published == []
    services.without_state.clear()
    routing.publish()
    assert [*services.published[0]] == ["web"]


async def test_a_removed_service_loses_its_routes_before_its_pool(routing, services):
    routing.replace(1, Declarations((declared("web", "/"),)))
    routing.publish()
    routing.replace(1, Declarations())
    assert services.removed == []
    routing.publish()
    assert services.published[-1] == {"web": None}
    assert services.removed == ["web"]
    assert routing.table.routes == ()


async def test_a_service_of_several_sources_has_the_routes_of_all(routing, services):
    routing.replace(0, Declarations((declared("web", "/a", settings=[("policy", "random")]),)))
    routing.declare(3, "web", declared("web", "/b", settings=[("policy", "round-robin"), ("retries", "0")]))
    merged = routing.declarations["web"]
    assert [route.match.path for route in merged.routes] == ["/a", "/b"]
    assert merged.settings == (("policy", "random"), ("retries", "0"))
    assert routing.options("web").policy == "random"
    assert routing.options("web").retries == 0
    assert routing.options("other").retries == 2
    (problem,) = routing.problems
    assert problem.text == "setting policy: got 'round-robin', but the service has 'random' already"
    routing.replace(0, Declarations())
    assert routing.options("web").policy == "round-robin"
    assert routing.problems == []


async def test_a_setting_of_the_pool_holds_for_the_service_and_one_of_requests_for_its_route(routing):
    routing.replace(0, Declarations((declared("web", "/a policy=random response-timeout=5s", "/b"),)))
    merged = routing.declarations["web"]
    assert merged.settings == (("policy", "random"),)
    assert [route.settings for route in merged.routes] == [(("response-timeout", "5s"),), ()]


async def test_a_setting_has_the_place_where_it_is_declared(routing):
    settings = (("retries", "1"), ("panic", "serve"))
    of_file = replace(
        declared("web", settings=settings), origins=("routes.toml, line 2", "routes.toml, line 3")
    )
    routing.replace(1, Declarations((of_file,)))
    routing.declare(
        3, "web", declared("web", "/a policy=random", settings=[("panic", "fail"), ("max-conn", "5")])
    )
    assert [*routing.declarations["web"].with_origins()] == [
        (("retries", "1"), "routes.toml, line 2"),
        (("panic", "serve"), "routes.toml, line 3"),
        (("max-conn", "5"), "test"),
        (("policy", "random"), "test"),
    ]


async def test_an_older_name_is_the_same_setting(routing):
    routing.replace(1, Declarations((declared("web", "/", settings=[("maxconn", "5")]),)))
    routing.declare(3, "web", declared("web", "/", settings=[("max-conn", "6")]))
    assert routing.declarations["web"].settings == (("max-conn", "5"),)
    assert [each.text for each in routing.problems] == [
        "setting max-conn: got '6', but the service has '5' already"
    ]


async def test_equal_values_of_a_setting_in_two_spellings_do_not_contradict(routing):
    routing.declare(1, "web", declared("web", "/", settings=[("response-timeout", "1s")]))
    routing.declare(3, "web", declared("web", "/", settings=[("response-timeout", "1000ms")]))
    assert routing.declarations["web"].settings == (("response-timeout", "1s"),)
    assert routing.problems == []


async def test_an_invalid_setting_concerns_itself_alone(routing):
    settings = [("policy", "none"), ("retries", "1"), ("listen", ":80")]
    routing.declare(3, "web", declared("web", "/a max-body=tiny", settings=settings))
    merged = routing.declarations["web"]
    assert merged.settings == (("retries", "1"),)
    assert merged.routes[0].settings == ()
    assert len(routing.problems) == 3
    assert all(problem.service == "web" for problem in routing.problems)


async def test_changed_settings_and_backends_reach_the_pool(routing, services):
    routing.replace(1, Declarations((declared("web", "/"),)))
    routing.replace(1, Declarations((declared("web", "/a"),)))
    assert services.changes == []
    routing.replace(1, Declarations((declared("web", "/a", backends="10.0.0.9:80"),)))
    routing.replace(1, Declarations((declared("web", "/a", settings=[("policy", "random")]),)))
    assert services.changes == ["web", "web"]


async def test_equal_declarations_change_nothing(routing, services):
    for _ in range(2):
        routing.replace(1, Declarations((declared("web", "/"),)))
        routing.publish()
    assert len(services.published) == 1


async def test_what_an_earlier_process_published_stays_until_all_sources_have_responded(services):
    former = {"old": declared("old", "/old"), "web": declared("web", "/")}
    routing = Routing(Options(static="10.0.0.1:80"), services, former)
    routing.replace(0, Declarations((declared("web", "/"),)))
    routing.publish()
    assert services.published == []
    routing.settle()
    assert services.published == [{"old": None}]


async def test_workers_learn_that_there_are_no_routes(routing, services):
    routing.settle()
    assert services.published == [{}]


async def test_the_problems_of_a_source_are_replaced_with_it(routing):
    routing.replace(1, Declarations((), (Problem("line 3 is wrong", source="--routes x"),)))
    routing.declare(3, "web", None, [Problem("a tag is wrong", "web")])
    assert [each.text for each in routing.problems] == ["line 3 is wrong", "a tag is wrong"]
    routing.replace(1, Declarations())
    routing.declare(3, "web", None)
    assert routing.problems == []


async def test_the_table_contains_each_change_without_compiling_all_routes_again(routing):
    routing.replace(0, Declarations((declared("web", "/"), declared("api", "/api"), declared("old", "/old"))))
    assert texts(routing) == {"web", "api=/api", "old=/old"}
    kept = routing.table
    assert routing.table is kept
    routing.declare(3, "shop", declared("shop", "/shop"))
    routing.declare(3, "brief", declared("brief", "/brief"))
    routing.declare(3, "brief", None)
    routing.replace(0, Declarations((declared("web", "/"), declared("api", "/v1"))))
    routing.replace(0, Declarations((declared("web", "/"), declared("api", "/v2"))))
    assert texts(routing) == {"web", "api=/v2", "shop=/shop"}
    assert texts(routing) == {service_text(each) for each in RouteTable(routing.declarations.values()).routes}


def texts(routing):
    return {service_text(each) for each in routing.table.routes}
