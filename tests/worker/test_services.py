"""The services of a worker, as its routes change."""

from dataclasses import replace
from time import monotonic

import pytest

from pylb.config import Options
from pylb.ipc.routing_update import RoutingUpdate
from pylb.model import Endpoint, PoolState
from pylb.observe.counters import Counters
from pylb.observe.shared_counters import SharedCounters
from pylb.policy.backend import State
from pylb.routes.declaration import ServiceDeclaration
from pylb.routes.grammar import parse_route
from pylb.sinks.sinks import Sinks
from pylb.worker.worker import Worker
from tests.routes.heads import CLIENT, head


def declared(service, *routes, **settings):
    pairs = tuple((name.replace("_", "-"), value) for name, value in settings.items())
    return ServiceDeclaration(service, tuple(parse_route(service, text, "test") for text in routes), pairs)


def state(service, *numbers):
    return PoolState(
        service, tuple(Endpoint(service, f"10.0.0.{n}", 80, id=f"{service}-{n}") for n in numbers)
    )


def endpoint(service):
    return Endpoint(service, "10.0.0.1", 80)


class Process:
    """A worker without sockets."""

    def __init__(self):
        options = Options(service=("web",), consul="127.0.0.1:8500", slow_start=0)
        self.worker = Worker(options, Counters(SharedCounters(), monotonic), Sinks(options))
        self.generation = 0

    def update(self, *declarations, removed=(), complete=False):
        self.generation += 1
        changed = {each.service: each for each in declarations} | dict.fromkeys(removed)
        return self.worker.apply_routing(RoutingUpdate(self.generation, changed, complete))

    def apply(self, service, *numbers):
        return self.worker.apply(state(service, *numbers))

    @property
    def routes(self):
        return self.worker.server.context.routes

    def service(self, target, host="a.example"):
        return self.routes.service(head(target, host), CLIENT)


@pytest.fixture
def process():
    return Process()


def test_the_options_declare_the_first_services(process):
    assert process.routes.only is process.worker.server.context.services["web"]


def test_a_new_service_gets_the_state_that_arrived_before_its_routes(process):
    process.apply("api", 1, 2)
    assert process.service("/api").pool.service == "web"
    changes = process.update(declared("api", "/api"))
    assert {name: len(change.added) for name, change in changes.items()} == {"api": 2}
    pool = process.service("/api").pool
    assert (pool.service, len(pool.eligible)) == ("api", 2)
    assert process.routes.generation == 1


def test_a_state_may_follow_the_routes(process):
    assert process.update(declared("api", "/api")) == {}
    assert process.service("/api").pool.applied is None
    process.apply("api", 1)
    assert len(process.service("/api").pool.eligible) == 1


def test_all_of_an_update_is_applied_at_once(process):
    process.update(declared("a", "/x"), declared("b", "/y"))
    process.update(declared("a", "/y"), declared("b", "/x"))
    assert [process.service(path).pool.service for path in ("/x", "/y")] == ["b", "a"]


def test_a_removed_service_drains(process):
    process.update(declared("api", "/api"))
    process.apply("api", 1)
    lease = process.service("/api").pool.lease()
    with lease:
        process.update(removed=["api"])
        assert process.service("/api").pool.service == "web"
        assert "api" not in process.worker.pools
        assert lease.backend.state is State.DRAINING
    assert lease.backend.state is State.GONE


def test_a_service_that_returns_starts_anew(process):
    for _ in range(2):
        process.apply("api", 1)
        process.update(declared("api", "/api"))
        assert len(process.service("/api").pool.eligible) == 1
        process.update(removed=["api"])


def test_a_complete_update_removes_what_it_does_not_name(process):
    process.update(declared("api", "/api"), declared("old", "/old"))
    process.update(declared("api", "/api"), complete=True)
    assert set(process.worker.pools) == set(process.worker.declarations) == {"api"}
    assert process.service("/") is None


def test_what_does_not_change_keeps_its_pool_and_its_compiled_routes(process):
    process.update(declared("api", "/api", "/v2"), declared("shop", "/shop"))
    api, shop = process.service("/api"), process.service("/shop")
    process.update(declared("api", "/api", "/v3"), declared("shop", "/shop"), complete=True)
    assert (process.service("/api"), process.service("/shop")) == (api, shop)
    assert process.service("/v2") is None


def test_a_service_without_backends_has_no_pool(process):
    process.update(declared("old", "/old redirect=301,/new"))
    assert "old" not in process.worker.pools
    process.update(declared("old", "/old"))
    assert process.service("/old").pool.service == "old"
    process.update(declared("old", "/old redirect=301,/new"))
    assert "old" not in process.worker.pools


def test_a_blocked_route_needs_no_pool(process):
    route = replace(parse_route("secret", "/s", "test"), blocked="auth is not implemented")
    process.update(ServiceDeclaration("secret", (route,)))
    assert "secret" not in process.worker.pools


def test_a_setting_of_the_pool_holds_for_all_routes_of_the_service(process):
    process.update(declared("api", "/a", "/b policy=random", "/c policy=round-robin max-conn=3"))
    pool = process.service("/a").pool
    process.apply("api", 1)
    assert (pool.policy, pool.backends.popitem()[1].limit) == ("random", 3)
    process.update(declared("api", "/b policy=random", policy="round-robin"))
    assert (process.worker.pools["api"], pool.policy) == (pool, "round-robin")
    process.update(declared("api", "/b"))
    assert pool.policy == "least-connections"


def test_a_policy_that_an_operator_has_set_precedes_a_setting(process):
    process.update(declared("api", "/a"))
    process.worker.apply(replace(state("api", 1), policy="random"))
    process.update(declared("api", "/a", policy="round-robin"))
    assert process.worker.pools["api"].policy == "random"


def test_routes_with_equal_settings_share_what_their_requests_use(process):
    quick = "response-timeout=1s retries=0"
    process.update(
        declared("api", "/a", f"/b {quick} policy=random", f"/c {quick}"), declared("shop", "/shop")
    )
    a, b, c, shop = (process.service(path) for path in ("/a", "/b", "/c", "/shop"))
    assert a is not b
    assert b is c
    assert (b.pool, b.connector) == (a.pool, shop.connector)
    assert (a.timeouts.response_timeout, b.timeouts.response_timeout) == (60, 1)


def test_services_with_other_connections_have_another_connector(process):
    process.update(declared("api", "/a", upstream_tls="on"), declared("shop", "/shop", upstream_tls="on"))
    api, shop, web = process.service("/a"), process.service("/shop"), process.service("/")
    assert api.connector is shop.connector is not web.connector


@pytest.mark.logs_error(r"^api is not served: ")
def test_a_service_whose_settings_cannot_be_applied_is_blocked(process, caplog):
    """Less specific routes do not take its requests."""
    process.update(declared("api", "/a"))
    for broken in ({"upstream_tls_ca": "/nowhere.pem"}, {"response_timeout": "x"}):
        process.update(declared("api", "/a", **broken))
        assert process.service("/a") is None
        assert "got" in process.routes.match(b"/a", head("/a"), CLIENT).route.blocked
        assert "api" not in process.worker.pools
        assert "api is not served: " in caplog.text
    process.update(declared("api", "/a retries=x"))
    assert process.service("/a") is None
    process.update(declared("api", "/a"))
    assert process.service("/a").pool.service == "api"


def test_an_update_in_steps_takes_effect_with_the_last_one(process):
    process.update(declared("api", "/api", max_conn="5"))
    process.apply("api", 1)
    process.apply("new", 1)
    pool, service = process.worker.pools["api"], process.service("/api")
    changed = [declared("api", "/other", max_conn="7", response_timeout="5s"), declared("new", "/new")]
    update = RoutingUpdate(9, {each.service: each for each in changed} | {"web": None})
    generations = []
    for _ in process.worker.applying(update):
        generations.append(process.routes.generation)
        assert process.service("/api") is service
        assert process.service("/new").pool.service == "web"
        assert process.worker.server.context.services["api"] is service
        assert pool.queue.limit(endpoint("api")) == 5
    assert len(generations) > 3
    assert {*generations} == {1}
    assert process.service("/api") is None
    assert process.service("/other").pool is pool
    assert process.service("/other").timeouts.response_timeout == 5
    assert process.service("/new").pool.applied
    assert pool.queue.limit(endpoint("api")) == 7
    assert process.routes.generation == 9


def test_an_interrupted_update_leaves_nothing(process):
    process.update(declared("api", "/api", max_conn="5"))
    steps = process.worker.applying(
        RoutingUpdate(9, {"api": declared("api", "/x", max_conn="7"), "new": declared("new", "/new")})
    )
    next(steps)
    next(steps)
    assert "new" in process.worker.pools
    process.update(declared("web", "/"), declared("api", "/api", max_conn="5"), complete=True)
    assert {*process.worker.pools} == {"web", "api"}
    assert process.worker.pools["api"].queue.limit(endpoint("api")) == 5
