import re

import pytest

from pylb.assembly.routes import catalog_rules, check_of, check_routes, declarations, prefixes
from pylb.config import Options
from pylb.config.parse import parse
from pylb.errors import UsageError
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


def test_one_value_of_the_pool_in_two_spellings_is_one_value():
    texts = ("web=/a slow-start=1s", "web=/b slowstart=1000ms")
    assert len(declarations(Options(static="a:1", service=texts))) == 1


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
        (("web=/a maxconn=5", "web=/b max-conn=6"), "max-conn of web is '5' and '6'"),
    ],
)
def test_an_invalid_service_names_the_option_and_the_reason(declared, message):
    with pytest.raises(UsageError, match=r"^--service: [^\n]*" + re.escape(message)):
        declarations(Options(static="a:1", service=declared))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("backends", "10.0.0.1", "backends: got '10.0.0.1', expected HOST:PORT"),
        ("backends", "", "backends: got '', expected HOST:PORT"),
        ("colour", "red", "'colour' is no option of a service"),
    ],
)
def test_settings_and_backends_are_checked(name, value, message):
    with pytest.raises(ValueError, match="^" + message):
        check_of(Options(static="a:1"))(name, value)


def test_keys_in_consul_are_no_files():
    options = Options(routes=("a.toml", "consul:pylb/routes"))
    assert prefixes(options) == ["pylb/routes"]


def test_an_invalid_bound_names_the_option():
    with pytest.raises(UsageError, match=r"^--catalog-allow: got 'shop', expected SERVICE=HOST/PATH"):
        catalog_rules(Options(catalog_allow=("shop",)))


def test_a_file_that_is_invalid_at_the_start_is_an_error(tmp_path):
    path = tmp_path / "routes.toml"
    path.write_text('[services.web]\npolicy = "none"\n')
    with pytest.raises(UsageError, match=r"^--routes: .*routes.toml, line 2: policy: got 'none'"):
        check_routes(Options(static="a:1", routes=(str(path),)))
    path.write_text('[services.web]\npolicy = "random"\n')
    check_routes(Options(static="a:1", routes=(str(path),)))


def test_a_variable_declares_services_whose_settings_contain_commas():
    text = "'api=/api retry-on=connect,reset' , \"web retry-methods=PUT,DELETE policy=random\",plain=/p"
    options = parse(Options, [], {"PYLB_STATIC": "a:1", "PYLB_SERVICE": text})
    routes = [route for each in declarations(options) for route in each.routes]
    assert [(route.service, route.settings) for route in routes] == [
        ("api", (("retry-on", "connect,reset"),)),
        ("web", (("retry-methods", "PUT,DELETE"), ("policy", "random"))),
        ("plain", ()),
    ]
