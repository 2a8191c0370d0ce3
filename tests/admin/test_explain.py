from dataclasses import replace

import pytest

from pylb.admin.explain import explain
from pylb.admin.state import problems
from pylb.model import Endpoint, Excluded
from pylb.routes.declaration import declare
from pylb.routes.grammar import parse_service
from pylb.routes.table import RouteTable

ONE, TWO, THREE = (Endpoint("web", f"10.0.0.{n}", 80, id=f"web-{n}") for n in (1, 2, 3))


def test_explain_names_candidates_exclusions_and_the_choice(view, pools, know):
    know("web", ONE, TWO, excluded=(Excluded(THREE, "critical: refused"),))
    busy = pools["web"].backends[ONE.key, "10.0.0.1:80"]
    busy.count(+1)
    result = explain(view, "any.example", "/x")
    assert (result["service"], result["policy"], result["winner"]) == (
        "web",
        "least-connections",
        "10.0.0.2:80",
    )
    assert {(c["id"], c["in_flight"], c["wins"]) for c in result["candidates"]} == {
        ("web-1", 1, False),
        ("web-2", 0, True),
    }
    assert result["excluded"] == [{"id": "web-3", "address": "10.0.0.3:80", "reason": "critical: refused"}]


def test_explain_gives_the_reason_if_no_backend_is_eligible(view, know):
    assert "has not answered yet" in explain(view, "", "/api/x")["why"]
    know("api")
    assert explain(view, "", "/api/x")["winner"] is None
    assert explain(view, "", "/api/x")["service"] == "api"


def with_routes(view, *routes):
    return replace(view, table=lambda: RouteTable(declare(routes)))


def test_explain_shows_the_settings_of_the_request(view, know):
    know("api", replace(ONE, service="api"))
    routes = [parse_service("api=/api response-timeout=5s", "--service")]
    declared = declare(routes)
    view = replace(view, table=lambda: RouteTable(declared), declared={"api": declared[0]}.get)
    settings = explain(view, "", "/api")["settings"]
    assert {"name": "response-timeout", "value": "5s", "origin": "--service"} in settings
    assert {each["origin"] for each in settings} == {"default", "--service"}
    assert "settings" not in explain(view, "", "/other")


def test_explain_shows_the_candidates_among_the_routes_and_the_target_for_the_backend(view, know):
    know("api", replace(ONE, service="api"))
    declared = ("web", "api=/api strip=/api", "web=/api method=POST", "web=/api header:x-canary=1")
    view = with_routes(view, *(parse_service(text, "--service") for text in declared))
    result = explain(view, "a.example", "/x/../api/items?n=1")
    assert (result["service"], result["winner"], result["target"]) == ("api", "10.0.0.1:80", "/items?n=1")
    assert [(each["route"], each["wins"], each["why"]) for each in result["routes"]] == [
        ("web=/api method=POST", False, "method=POST is not met"),
        ("web=/api header:x-canary=1", False, "header:x-canary=1 is not met"),
        ("api=/api strip=/api", True, "the first route that matches"),
        ("web", False, "'api=/api strip=/api' names a host or a path, and is no rule of Traefik"),
    ]
    assert {each["source"] for each in result["routes"]} == {"--service"}
    assert result["changes"] == ["set:X-Forwarded-Prefix=/api"]
    assert explain(view, "a.example", "/api", method="POST")["service"] == "web"
    assert explain(view, "a.example", "/api", fields=["X-Canary: 1"])["service"] == "web"


@pytest.mark.parametrize(
    ("host", "target", "why"),
    [
        ("a.example", "/x", "no route matches /x on host a.example"),
        ("", "/x", "no route matches /x on host -"),
        ("a b", "/", "the request is invalid: "),
        ("a", "/%zz", "the request is invalid: "),
        ("a", "/\r\nX: y", "the request is invalid: "),
        ("a", "/old", "pylb answers the request itself"),
        ("a", "/secret", "the route is blocked: auth=x is not implemented"),
    ],
)
def test_explain_gives_the_reason_why_no_backend_receives_a_request(view, host, target, why):
    view = with_routes(
        view,
        parse_service("web=/old redirect=301,/new"),
        replace(parse_service("web=/secret"), blocked="auth=x is not implemented"),
    )
    result = explain(view, host, target)
    assert result["why"].startswith(why)
    assert (result["winner"], result["candidates"]) == (None, [])


def test_the_problems_of_routes_are_shown(view):
    view = with_routes(view, parse_service("web=/x"), parse_service("api=/x"))
    assert ("api", "'api=/x' is for the same requests as 'web=/x'") in {
        (problem["service"], problem["text"]) for problem in problems(view)
    }


def test_explain_shows_one_route_of_those_that_share_the_requests_throughout(view, know):
    """The service, the target and the changes are those of one draw."""
    know("web", ONE)
    know("api", replace(ONE, service="api"))
    shares = ("web=/x weight=1 strip=/x set:X-To=web", "api=/x weight=1 set:X-To=api")
    view = with_routes(view, *map(parse_service, shares))
    results = [explain(view, "a.example", "/x/y") for _ in range(50)]
    expected = {
        ("web", "/y", ("set:X-To=web", "set:X-Forwarded-Prefix=/x")),
        ("api", "/x/y", ("set:X-To=api",)),
    }
    assert {(each["service"], each["target"], tuple(each["changes"])) for each in results} == expected


def test_explain_forwards_any_path_if_one_route_takes_all_requests(view, know):
    know("web", ONE)
    result = explain(with_routes(view, parse_service("web")), "a.example", "/x/..%2Fy?n=1")
    assert (result["winner"], result["target"], result["changes"]) == ("10.0.0.1:80", "/x/..%2Fy?n=1", [])
