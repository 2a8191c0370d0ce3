from dataclasses import replace

import pytest

from pylb.routes.compiled import CompiledRoute
from pylb.routes.declaration import declare
from pylb.routes.explain import behind, changes, unmet
from pylb.routes.grammar import parse_service
from pylb.routes.table import RouteTable
from tests.routes.heads import CLIENT, head


def compiled(text, **actions):
    route = parse_service(text)
    route = replace(route, actions=replace(route.actions, **actions))
    return CompiledRoute(route, None, lambda path: True, ((), (0, 0)))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a=/x method=POST,PUT", "method=POST,PUT is not met"),
        ("a=/x scheme=https", "scheme=https is not met"),
        ("a=/x method=GET header:x-a=1", "header:x-a=1 is not met"),
        ("a=/x query:n=1", "query:n=1 is not met"),
    ],
)
def test_the_first_matcher_that_is_not_met_is_named(text, why):
    assert unmet(parse_service(text).match, head("/x"), CLIENT) == why


def test_a_redirect_to_the_url_of_the_request_is_no_match():
    route = compiled("a=/x redirect=301,/x")
    assert not route.meets(head("/x"), CLIENT)
    assert unmet(route.route.match, head("/x"), CLIENT) == "its redirect would lead to the URL of the request"


@pytest.mark.parametrize(
    ("winner", "loser", "why"),
    [
        ("a=a.example", "b=/x", "has a more specific host"),
        ("a=/x/y", "b=/x", "has a longer path"),
        ("a=/x path=exact", "b=/x", "has a more specific kind of path"),
        ("a=/x method=GET", "b=/x", "has more matchers"),
        ("a=/x method=GET", "b=/x header:x-a=1", "is older and as specific"),
        ("a=/x", "b", "names a host or a path, and is no rule of Traefik"),
    ],
)
def test_the_reason_why_another_route_precedes(winner, loser, why):
    routes = [parse_service(winner), parse_service(loser)]
    assert RouteTable(declare(routes)).routes[0] == routes[0]
    assert behind(routes[1], routes[0]).endswith(f" {why}")
    assert behind(routes[1], routes[0]).startswith(f"'{winner}' ")


def test_the_reason_among_rules_of_traefik_is_their_priority():
    low, high = (replace(parse_service("a=/x"), priority=number) for number in (3, 9))
    assert behind(low, high) == "'a=/x' has the higher priority 9"
    assert behind(low, low) == "'a=/x' is older"
    assert "is a rule of Traefik" in behind(parse_service("b"), high)


def test_the_changes_of_a_route():
    route = compiled("a=/x strip=/x host=b.example set:X-A=1 remove:X-B add:X-C=2 response-set:X-D=3")
    assert changes(route, b"/x/y") == (
        b"/y",
        [
            "host=b.example",
            "set:X-A=1",
            "remove:X-B",
            "add:X-C=2",
            "set:X-Forwarded-Prefix=/x",
            "response-set:X-D=3",
        ],
    )
    assert changes(compiled("a=/x"), b"/x") == (b"/x", [])


def test_a_path_that_becomes_invalid_is_an_error():
    with pytest.raises(ValueError, match="after its beginning is stripped"):
        changes(compiled("a=/x path=prefix strip=/x", by_characters=True), b"/x../y")
