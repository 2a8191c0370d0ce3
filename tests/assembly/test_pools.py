import pytest

from pylb.assembly.pools import make_pool, read_routes, services_of
from pylb.config import Options
from pylb.config.backends import PoolOptions
from pylb.errors import UsageError
from pylb.policy.pool import Pool
from pylb.policy.shared import SharedPool
from pylb.routes.grammar import parse_service


def test_services_are_routes_and_static_backends_match_everything():
    declared = ("web", "api=/api strip=/api")
    assert read_routes(Options(service=declared)) == tuple(parse_service(r, "--service") for r in declared)
    assert read_routes(Options(static="a:1")) == (parse_service("static", "--service"),)


def test_only_services_that_need_backends_have_a_pool():
    routes = read_routes(Options(service=("web", "old=/old redirect=301,/", "web=a.example", "api=/api")))
    assert services_of(routes) == ["web", "api"]


def test_two_routes_of_which_the_older_comes_first_are_served():
    assert len(read_routes(Options(service=("a=/x method=GET", "b=/x header:X-A=1")))) == 2


@pytest.mark.parametrize("declared", [("web", "api"), ("web=",), ("we b",), ("web policy=random",)])
def test_an_invalid_route_names_the_option(declared):
    with pytest.raises(UsageError, match=r"^--service: "):
        read_routes(Options(service=declared))


@pytest.mark.parametrize("kind", [Pool, SharedPool])
def test_a_pool_has_the_options(kind):
    pool = make_pool(kind, "web", Options(policy="random", eject_failures=3, panic="fail"))
    assert type(pool) is kind
    assert (pool.service, pool.policy) == ("web", "random")
    assert pool._options == PoolOptions(policy="random", eject_failures=3, panic="fail")
