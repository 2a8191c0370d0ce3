"""A change of a table: the result is that of compiling all routes, and equal parts are shared."""

from dataclasses import replace
from time import perf_counter

from hypothesis import given
from hypothesis import strategies as st

from pylb.routes.declaration import ServiceDeclaration, declare
from pylb.routes.grammar import parse_service
from pylb.routes.match import PathKind
from pylb.routes.path import normalise
from pylb.routes.route import Route, Share
from pylb.routes.table import RouteTable
from tests.routes.heads import CLIENT, head
from tests.routes.test_table import matches

NAMES = ["a", "b", "c"]

routes = st.builds(
    Route,
    st.just(""),
    matches(),
    priority=st.sampled_from([None, None, None, 1, 2]),
    share=st.sampled_from([None, None, None, Share(1), Share(2)]),
    blocked=st.sampled_from(["", "", "", "no"]),
)


@st.composite
def states(draw):
    """The declarations of some services."""
    return {
        name: ServiceDeclaration(
            name,
            tuple(replace(route, service=name) for route in draw(st.lists(routes, max_size=4))),
            order=(draw(st.integers(0, 1)), draw(st.integers(0, 1))),
        )
        for name in draw(st.sets(st.sampled_from(NAMES)))
    }


REQUESTS = [
    head(target, host, *fields, method=method)
    for target in ("/", "/a", "/a/b", "/ab/a/b", "/b/")
    for host in ("a.x", "c.b.a.x", "y")
    for method, fields in (("GET", ["X-A: 1"]), ("POST", []))
]


def described(table):
    """All that a table answers."""
    found = [
        next((c for c in table._candidates(normalise(r.target), r.host) if c.meets(r, CLIENT)), None)
        for r in REQUESTS  # Without the draw among shares.
    ]
    return {
        "routes": table.routes,
        "problems": table.problems,
        "only": (table.only, table.takes_all, table.size),
        "found": [each and (each.route, each.service, each.rank) for each in found],
        "shares": [each and each.shares and [m.route for m in each.shares.members] for each in found],
        "explained": [
            [(c.route, c.wins, c.why) for c in table.explain(normalise(r.target), r, CLIENT)]
            for r, each in zip(REQUESTS, found, strict=True)
            if not (each and each.shares)
        ],
    }


@given(st.lists(states(), min_size=2, max_size=5))
def test_a_changed_table_equals_one_that_is_compiled_anew(history):
    table, before = RouteTable((), lambda route: route.service), {}
    for generation, after in enumerate(history):
        removed = [each for name, each in before.items() if after.get(name) != each]
        added = [each for name, each in after.items() if before.get(name) != each]
        former, answers = table, described(table)
        table, before = table.changed(removed, added, generation), after
        assert described(table) == described(RouteTable(after.values(), lambda route: route.service))
        assert table.generation == generation
        assert described(former) == answers


def test_only_what_a_change_touches_is_compiled_again():
    a, b, c, d = declare(map(parse_service, ["a=/a", "b=/b", "c=h.example/c", "d=h.example/d"]))
    table = RouteTable([a, b, c, d])
    old = {group.routes[0].route.service: group for group in table._groups()}
    changed = table.changed([b], [replace(b, routes=(parse_service("b=/x"),))], 1)
    new = {group.routes[0].route.service: group for group in changed._groups()}
    assert {name for name in old if new[name] is not old[name]} == {"b"}


def test_a_declaration_that_is_declared_again_compiles_nothing():
    declared = declare([parse_service("a=/a"), parse_service("b=/b")])
    table = RouteTable(declared, lambda route: route.service)
    assert table.changed(declared, declared, 1)._tiers == table._tiers


def test_imported_rules_return_when_the_route_for_all_requests_is_removed():
    rule = Route("rule", replace(parse_service("x=/").match, path="/", kind=PathKind.PREFIX), priority=9)
    (own,) = declare([parse_service("all")])
    table = RouteTable([own, ServiceDeclaration("rule", (rule,), order=(3, 0))])
    assert [problem.service for problem in table.problems] == ["rule"]
    changed = table.changed([own], [], 1)
    assert changed.problems == ()
    assert changed.service(head("/"), CLIENT) is None
    assert changed.match(b"/", head("/"), CLIENT).route is rule
    assert changed.takes_all


def test_a_change_among_many_routes_takes_less_than_a_hundredth_of_compiling_them():
    declared = declare(parse_service(f"s{n}=h{n % 50}.example.com/s{n}") for n in range(2000))
    started = perf_counter()
    table = RouteTable(declared)
    compiled = perf_counter() - started
    other = replace(declared[7], routes=(parse_service("s7=/elsewhere"),))
    times = []
    for _ in range(5):
        started = perf_counter()
        changed = table.changed([declared[7]], [other], 1)
        times.append(perf_counter() - started)
    assert changed.size == 2000
    assert min(times) < compiled / 100
