import pytest

from pylb.assembly.pools import make_pool, read_routes
from pylb.config import Options
from pylb.config.backends import PoolOptions
from pylb.errors import UsageError
from pylb.policy.pool import Pool
from pylb.policy.route import Route
from pylb.policy.shared import SharedPool


def test_services_are_routes_and_static_backends_match_everything():
    assert read_routes(Options(service=("web", "api=/api"))) == (Route("web"), Route("api", path="/api"))
    assert read_routes(Options(static="a:1")) == (Route("static"),)


@pytest.mark.parametrize("services", [("web", "api"), ("web=",), ("we b",)])
def test_an_invalid_route_names_the_option(services):
    with pytest.raises(UsageError, match=r"^--service: "):
        read_routes(Options(service=services))


@pytest.mark.parametrize("kind", [Pool, SharedPool])
def test_a_pool_has_the_options(kind):
    pool = make_pool(kind, "web", Options(policy="random", eject_failures=3, panic="fail"))
    assert type(pool) is kind
    assert (pool.service, pool.policy) == ("web", "random")
    assert pool._options == PoolOptions(policy="random", eject_failures=3, panic="fail")
