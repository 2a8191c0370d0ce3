"""What the table keeps about paths: the same answers as without it."""

from hypothesis import given
from hypothesis import strategies as st

from pylb.http1.headers import ClientInfo
from pylb.routes.path import normalise
from pylb.routes.route import Route
from pylb.routes.table import KNOWN_PATHS, LONGEST_KNOWN
from tests.every import every
from tests.routes.heads import CLIENT, compiled, head, table
from tests.routes.test_group import REQUESTS
from tests.routes.test_table import matches


@given(st.lists(st.tuples(matches(), st.sampled_from([None, None, 1, 2])), max_size=8))
def test_a_repeated_request_takes_the_same_route(declared):
    routes = [Route(f"s{n}", match, priority=priority) for n, (match, priority) in enumerate(declared)]
    known = compiled(routes)
    for request in (*REQUESTS, *reversed(REQUESTS)):
        expected = known.match(normalise(request.target), request, CLIENT)
        fit = known.find(request, CLIENT)
        assert (fit and fit.route) is expected


def changed(routes, target, host="a.example", client=CLIENT):
    fit = routes.find(head(target, host), client)
    changes = fit.of(target.encode()).changes
    return changes and changes.target.decode()


@every(
    ("target", "expected"),
    [
        ("/api/x", "/x"),
        ("/api/x?y=/api", "/x?y=/api"),
        ("/api?", "/?"),
        ("//api/./x", "/x"),
        ("/other", None),
        ("/other?x", None),
        ("/other//x?y", "/other/x?y"),
    ],
)
def test_the_target_for_the_backend(target, expected):
    routes = table("web", "api=/api strip=/api")
    assert [changed(routes, target) for _ in range(3)] == [expected] * 3


def test_what_depends_on_more_than_host_and_path_is_tested_for_each_request():
    routes = table("web", "post=/a method=POST", "secret=/s allow=192.0.2.7", "old=/old redirect=301,/new")
    for _ in range(2):
        assert routes.find(head("/a", method="POST"), CLIENT).route.route.service == "post"
        assert routes.find(head("/a"), CLIENT).route.route.service == "web"
        assert routes.find(head("/s"), ClientInfo("192.0.2.8", "http")).route.guarded
        assert routes.find(head("/old"), CLIENT).route.service is None
    assert routes.find(head("/x"), CLIENT).certain
    assert [target for _, target in routes.certain] == [b"/x"]


def test_a_path_that_cannot_be_changed_is_refused_each_time():
    routes = table("web=/a path=prefix strip=/a")
    assert [bool(routes.find(head("/a../x"), CLIENT).error) for _ in range(2)] == [True, True]
    assert not routes.certain


def test_clients_cannot_fill_the_memory():
    routes = table("web", "api=/api")
    for number in range(KNOWN_PATHS + 10):
        routes.find(head(f"/x{number}"), CLIENT)
    assert len(routes._known) == len(routes.certain) == 10
    routes.find(head("/" + "x" * LONGEST_KNOWN), CLIENT)
    routes.find(head("/", "x" * 250 + ".example"), CLIENT)
    assert len(routes._known) == 10
