from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pylb.routes import replay
from pylb.routes.grammar import parse_service
from pylb.routes.replay import Recorded, compare, outcome
from tests.routes.heads import compiled, table

BEFORE = ("web", "api=/api", "old=/old redirect=301,/new")
AFTER = ("web", "api=/api strip=/api", "cart=/cart", "old=/old redirect=301,/new")


def groups(made):
    return [(g.kind, g.host, g.prefix, g.before, g.after, n) for g, n in made.groups.items()]


def test_requests_that_go_elsewhere_are_grouped():
    requests = [
        Recorded("GET", "shop.io", "/cart/1?x=1", "web", 3),
        Recorded("GET", "shop.io", "/cart/2", "web"),
        Recorded("GET", "shop.io", "/api/users", "api", 2),
        Recorded("GET", "shop.io", "/", "web", 10),
        Recorded("GET", "shop.io", "/old/x", "old"),
    ]
    made = compare(requests, table(*BEFORE), table(*AFTER))
    assert (made.total, made.changed, made.invalid) == (17, 6, 0)
    assert groups(made) == [
        ("moved", "shop.io", "/cart", "web", "cart", 4),
        ("path changed", "shop.io", "/api", "api/api/users", "api/users", 2),
    ]
    assert [*made.examples.values()] == ["GET shop.io/cart/1?x=1", "GET shop.io/api/users"]


def test_without_the_present_table_the_recorded_service_counts():
    requests = [
        Recorded("GET", "a", "/api/x", "api"),
        Recorded("GET", "a", "/x", "web"),
        Recorded("GET", "a", "/n"),
    ]
    made = compare(requests, None, table("api=/api", "new=/n"))
    assert {(g.kind, g.before, g.after) for g in made.groups} == {
        ("no longer routed", "web", "404 by pylb"),
        ("newly routed", "404 by pylb", "new"),
    }


@pytest.mark.parametrize(
    ("target", "expected"),
    [("/x", "web"), ("/old", "301 by pylb"), ("/api/1", "api"), ("/blocked", "web")],
)
def test_an_outcome_is_the_service_or_the_answer(target, expected):
    assert str(outcome(table(*BEFORE), Recorded("GET", "h", target))) == expected


def test_an_invalid_request_is_counted_alone():
    requests = [Recorded("G T", "h", "/"), Recorded("GET", "h", "/")]
    made = compare(requests, table("web"), table("web", "api=/api"))
    assert (made.total, made.invalid, made.changed) == (2, 1, 0)


def test_a_path_that_only_the_proposed_routes_refuse_is_a_difference():
    """One route for all requests forwards any path; several compare paths, and an action may spoil one."""
    requests = [Recorded("GET", "h", path) for path in ("/x/..%2Fadmin", "/s/..;/x", "/a//b")]
    made = compare(requests, table("web"), table("web", "api=/api"))
    assert groups(made) == [
        ("moved", "h", "/x", "web", "400 by pylb", 1),
        ("moved", "h", "/s", "web", "400 by pylb", 1),
        ("path changed", "h", "/a", "web/a//b", "web/a/b", 1),
    ]
    strips = parse_service("web=/x path=prefix strip=/x")
    strips = replace(strips, actions=replace(strips.actions, by_characters=True))  # as fabio does
    spoiled = compare([Recorded("GET", "h", "/x../y")], table("web=/x path=prefix"), compiled([strips]))
    assert [(each.before, each.after) for each in spoiled.groups] == [("web", "400 by pylb")]


def test_the_number_of_groups_is_bounded(monkeypatch):
    monkeypatch.setattr(replay, "MOST_GROUPS", 2)
    requests = [Recorded("GET", f"h{n}", "/") for n in range(5)]
    made = compare(requests, table("a"), table("b"))
    assert list(made.groups.values()) == [3, 1, 1]


TARGETS = st.text(st.sampled_from("/abp.%2f?"), max_size=8).map(lambda text: "/" + text)


@given(st.lists(st.builds(Recorded, st.just("GET"), st.sampled_from(["a.io", "b.io"]), TARGETS)))
def test_a_table_compared_with_itself_has_no_difference(requests):
    routes = table("a=a.io", "b=/a", "c=/a/b strip=/a", "d=/p path=prefix")
    made = compare(requests, routes, routes)
    assert made.changed == 0
    assert made.total == len(requests)


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_no_recorded_text_makes_an_error(method, host, target):
    compare([Recorded(method, host, target)], table("a=/a"), table("b=/a"))
