import re

import pytest

from pylb.assembly.pools import declarations, make_pool
from pylb.config import Options
from pylb.config.backends import PoolOptions
from pylb.errors import UsageError
from pylb.policy.pool import Pool
from pylb.policy.shared import SharedPool
from pylb.routes.grammar import parse_service


def test_services_are_routes_and_static_backends_match_everything():
    web, api = declarations(Options(service=("web", "api=/api strip=/api", "web=/b")))
    assert web.routes == (parse_service("web", "--service"), parse_service("web=/b", "--service"))
    assert api.routes == (parse_service("api=/api strip=/api", "--service"),)
    (static,) = declarations(Options(static="a:1"))
    assert static.routes == (parse_service("static", "--service"),)


def test_other_sources_of_routes_need_no_service():
    assert declarations(Options(consul="x", catalog=True)) == ()
    assert declarations(Options(consul="x", routes=("routes.toml",))) == ()


def test_only_services_that_need_backends_have_a_pool():
    texts = ("web", "old=/old redirect=301,/", "web=a.example", "api=/api")
    declared = declarations(Options(service=texts))
    assert [each.service for each in declared if each.needs_pool] == ["web", "api"]


def test_two_routes_of_which_the_older_comes_first_are_served():
    assert len(declarations(Options(service=("a=/x method=GET", "b=/x header:X-A=1")))) == 2


def test_settings_of_requests_may_differ_between_the_routes_of_a_service():
    texts = ("api=/api response-timeout=5s", "api=/slow response-timeout=60s policy=random")
    (api,) = declarations(Options(static="a:1", service=texts))
    assert [route.settings[0] for route in api.routes] == [
        ("response-timeout", "5s"),
        ("response-timeout", "60s"),
    ]


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (("web", "api"), "is for the same requests"),
        (("web=",), "web="),
        (("we b",), "got 'b'"),
        (("web colour=red",), "'colour' is no option of a service"),
        (("web listen=:80",), "listen is an option of pylb as a whole"),
        (("web policy=none",), "policy: got 'none', expected one of least-connections"),
        (
            ("web=/a policy=random", "web=/b policy=round-robin"),
            "policy of web is 'random' and 'round-robin'",
        ),
    ],
)
def test_an_invalid_service_names_the_option_and_the_reason(declared, message):
    with pytest.raises(UsageError, match=r"^--service: [^\n]*" + re.escape(message)):
        declarations(Options(static="a:1", service=declared))


@pytest.mark.parametrize("kind", [Pool, SharedPool])
def test_a_pool_has_the_options(kind):
    pool = make_pool(kind, "web", Options(policy="random", eject_failures=3, panic="fail"))
    assert type(pool) is kind
    assert (pool.service, pool.policy) == ("web", "random")
    assert pool._options == PoolOptions(policy="random", eject_failures=3, panic="fail")
