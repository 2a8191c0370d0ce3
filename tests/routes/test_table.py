from collections import Counter
from dataclasses import replace
from itertools import cycle

from hypothesis import given
from hypothesis import strategies as st

from pylb.policy.pool import Pool
from pylb.routes.declaration import declare
from pylb.routes.grammar import parse_service
from pylb.routes.match import ANY_HOST, Host, Labels, Match, PathKind
from pylb.routes.path import normalise
from pylb.routes.route import Route
from pylb.routes.table import RouteTable
from tests.every import every
from tests.routes.heads import CLIENT, SECURE, compiled, find, head, service, table


class TestMatch:
    def test_one_service_takes_all(self):
        routes = table("web")
        for host, target, method in [
            ("", "/", "GET"),
            ("a.example", "/x?y", "GET"),
            ("[::1]:80", "*", "OPTIONS"),
        ]:
            assert service(routes, host, target, method=method) == "web"

    @every(
        ("target", "expected"),
        [
            ("/api", "api"),
            ("/api/", "api"),
            ("/api/x/y", "api"),
            ("/api?x", "api"),
            ("/api/?x=/api/v2", "api"),
            ("/apis", "web"),
            ("/api%2Fx", "web"),
            ("/API", "web"),
            ("/ap", "web"),
            ("/", "web"),
            ("/?/api", "web"),
            ("//api", "api"),
            ("/x/../api", "api"),
            ("/%61pi/v2", "v2"),
            ("/api/v2", "v2"),
            ("/api/v2/x", "v2"),
            ("/api/v2?x", "v2"),
            ("/api/v22", "api"),
            ("/api/v2x/y", "api"),
        ],
    )
    def test_longest_path_by_whole_segments(self, target, expected):
        assert service(table("api=/api", "web", "v2=/api/v2"), "any.example", target) == expected

    @every(
        ("host", "target", "expected"),
        [
            ("shop.example.com", "/", "shop"),
            ("SHOP.example.com:8080", "/", "shop"),
            ("shop.example.com.", "/x", "shop"),
            ("shop.example.com", "/cart/1", "cart"),
            ("other.example.com", "/cart/1", "web"),
            ("shop.example.com.evil.example", "/", "web"),
            ("pay.example.com", "/pay", "pay"),
            ("pay.example.com", "/help", "web"),
            ("[2001:DB8::1]:8080", "/", "six"),
            ("[2001:db8::1]", "/", "six"),
            ("[2001:db8::2]", "/", "web"),
            ("", "/", "web"),
        ],
    )
    def test_routes_with_a_host_come_first(self, host, target, expected):
        routes = table(
            "web",
            "shop=shop.example.com",
            "cart=shop.example.com/cart",
            "pay=pay.example.com/pay",
            "six=[2001:db8::1]",
        )
        assert service(routes, host, target) == expected

    def test_a_short_path_of_the_host_beats_a_long_one_of_none(self):
        assert service(table("api=/api/v2", "shop=a.example"), "a.example", "/api/v2/x") == "shop"

    @every(
        ("host", "expected"),
        [
            ("a.example.com", "exact"),
            ("b.example.com", "wide"),
            ("x.eu.example.com", "eu"),
            ("x.y.eu.example.com", "eu"),
            ("example.com", None),
            ("xexample.com", None),
            ("example.com.x", None),
        ],
    )
    def test_wildcards_the_longest_first(self, host, expected):
        routes = table("wide=*.example.com", "eu=*.eu.example.com", "exact=a.example.com")
        assert service(routes, host, "/") == expected

    def test_a_host_without_a_path_that_matches_leaves_the_request_to_the_next(self):
        routes = table("a=x.eu.example/a", "b=*.eu.example/b", "c=*.example/c", "d=/d")
        hits = [service(routes, "x.eu.example", f"/{path}") for path in "abcde"]
        assert hits == ["a", "b", "c", "d", None]

    def test_one_label_only_as_traefik(self):
        one = Route("one", Match(Host("example.com", Labels.ONE)))
        routes = compiled([one])
        assert service(routes, "a.example.com", "/") == "one"
        assert service(routes, "a.b.example.com", "/") is None

    @every(
        ("target", "expected"),
        [
            ("/a", "exact"),
            ("/a/", "segments"),
            ("/a/x", "segments"),
            ("/ab", "prefix"),
            ("/abc/x.png", "glob"),
            ("/abc/x.pngx", "prefix"),
            ("/ab/y/x.png", "prefix"),
        ],
    )
    def test_kinds_of_paths(self, target, expected):
        routes = table(
            "prefix=/a path=prefix", "segments=/a", "exact=/a path=exact", "glob=/abc/*.png path=glob"
        )
        assert service(routes, "h", target) == expected

    def test_the_most_matchers(self):
        routes = table(
            "one=/a method=GET",
            "none=/a",
            "two=/a method=GET header:X-A=1",
            "longer=/a/b",
            "host=h.example/a",
        )
        assert service(routes, "x", "/a") == "one"
        assert service(routes, "x", "/a", "X-A: 1") == "two"
        assert service(routes, "x", "/a", method="POST") == "none"
        assert service(routes, "x", "/a/b", "X-A: 1") == "longer"
        assert service(routes, "h.example", "/a", "X-A: 1") == "host"

    def test_no_route_may_match(self):
        routes = table("api=/api", "shop=a.example/cart")
        assert service(routes, "b.example", "/cart") is None
        assert service(routes, "a.example", "/") is None
        assert service(routes, "a.example", "*", method="OPTIONS") is None
        assert service(table(), "a.example", "/") is None

    def test_one_service_may_have_several_routes(self):
        pool = Pool("web")
        declared = declare(parse_service(text) for text in ("web=/a", "web=b.example"))
        routes = RouteTable(declared, lambda _: pool)
        assert find(routes, head("/a")).service is find(routes, head("/", "b.example")).service is pool

    def test_a_target_of_slashes_costs_no_more_than_a_short_one(self):
        assert service(table("api=/api", "v2=/api/v2"), "a.example", "/" * 8000) is None


class TestOnly:
    @every("text", ["web", "web=/", "web=/ path=prefix", "web policy=random"])
    def test_one_route_that_changes_nothing_needs_no_lookup(self, text):
        routes = table(text)
        assert routes.only is find(routes, head()).service

    @every(
        "text",
        [
            "web=/a",
            "web=a.example",
            "web method=GET",
            "web strip=/a",
            "web set:X-A=b",
            "web response-remove:A",
            "web allow=::1",
            "web redirect=301,/x",
            "web respond=200",
            "web host=x",
            "web weight=1",
            "web prepend=/a",
        ],
    )
    def test_each_other_one_does(self, text):
        assert table(text).only is None

    def test_so_do_two_and_none(self):
        assert table("web", "api=/api").only is None
        assert table().only is None


class TestProblems:
    @every(
        "texts",
        [("a", "b"), ("web", "web"), ("a=/x", "b=/x/"), ("a=H.example", "b=h.example"), ("a weight=1", "b")],
    )
    def test_the_older_of_two_routes_for_the_same_requests_is_served(self, texts):
        routes = table(*texts)
        assert [problem.text for problem in routes.problems] == [
            f"{texts[1].lower().rstrip('/')!r} is for the same requests as {texts[0].lower()!r}"
        ]
        assert len(routes.routes) == 1

    def test_the_older_of_two_routes_with_as_many_matchers_comes_first_and_that_is_a_problem(self):
        routes = table("a=/x method=GET", "b=/x header:X-A=1", "c=/x method=POST")
        assert [(p.service, p.text) for p in routes.problems] == [
            ("b", "'b=/x header:x-a=1' is behind 'a=/x method=GET', which is older and as specific"),
            ("c", "'c=/x method=POST' is behind 'b=/x header:x-a=1', which is older and as specific"),
        ]
        assert service(routes, "h", "/x", "X-A: 1") == "a"
        assert service(routes, "h", "/x", "X-A: 1", method="PUT") == "b"

    def test_methods_that_exclude_each_other_are_no_problem(self):
        assert table("a=/x method=GET", "b=/x method=POST", "c=/x").problems == ()

    def test_a_weight_of_zero_alone(self):
        routes = table("a=/x weight=0")
        assert [problem.text for problem in routes.problems] == [
            "'a=/x weight=0' has weight 0, and no other route has its match"
        ]
        assert service(routes, "h", "/x") is None


class TestShares:
    def test_routes_of_one_match_divide_the_requests(self):
        routes = table("a=/x weight=95", "b=/x weight=5", draw=cycle([n / 100 for n in range(100)]).__next__)
        assert routes.problems == ()
        assert Counter(service(routes, "h", "/x") for _ in range(100)) == {"a": 95, "b": 5}

    def test_one_of_them_states_what_requests_are_assigned_by(self):
        routes = table("a=/x weight=50", "b=/x weight=50 weight-by=cookie:user")
        for user in range(20):
            hits = {service(routes, "h", "/x", f"Cookie: user={user}") for _ in range(5)}
            assert len(hits) == 1


def imported(name, priority, **match):
    return Route(name, Match(**match), priority=priority)


class TestImported:
    def test_rules_of_traefik_are_ordered_by_priority(self):
        routes = compiled([
            imported("web", 24, host=Host("app.long.example")),
            imported("api", 18, path="/api", kind=PathKind.PREFIX),
        ])  # fmt: skip
        assert service(routes, "app.long.example", "/api/1") == "web"
        assert service(routes, "z.io", "/api/1") == "api"
        assert service(routes, "z.io", "/") is None

    def test_they_come_after_own_routes_and_before_a_catch_all(self):
        routes = compiled([
            parse_service("all"),
            imported("rule", 99, host=Host("h.example")),
            parse_service("own=h.example/own"),
        ])  # fmt: skip
        assert service(routes, "h.example", "/own/x") == "own"
        assert service(routes, "h.example", "/") == "rule"
        assert service(routes, "x", "/") == "all"

    def test_one_cannot_take_all_requests_from_the_service_that_has_them(self):
        rule = imported("rule", 99, path="/", kind=PathKind.PREFIX)
        routes = compiled([rule, parse_service("all")])
        assert service(routes, "x", "/") == "all"
        assert [problem.text for problem in routes.problems] == [
            "'rule=/ path=prefix' is for all requests, as is 'all'"
        ]
        assert service(compiled([rule]), "x", "/") == "rule"


class TestExplain:
    def explained(self, routes, request, client=CLIENT):
        path = normalise(request.target.partition(b"?")[0])
        return [(c.route.service, c.wins, c.why) for c in routes.explain(path, request, client)]

    def test_the_candidates_in_their_order(self):
        routes = table(
            "web",
            "api=/api",
            "post=/api method=POST",
            "v2=/api/v2",
            "host=h.example",
            "tls=/api scheme=https",
        )
        assert self.explained(routes, head("/api/x")) == [
            ("post", False, "method=POST is not met"),
            ("tls", False, "scheme=https is not met"),
            ("api", True, "the first route that matches"),
            ("web", False, "'api=/api' names a host or a path, and is no rule of Traefik"),
        ]
        assert self.explained(routes, head("/api/x"), SECURE)[1][:2] == ("tls", True)
        assert self.explained(table("api=/api"), head("/x")) == []

    def test_a_share(self):
        routes = table("a=/x weight=1", "b=/x weight=1 weight-by=client")
        (name, wins, why), other = self.explained(routes, head("/x"))
        assert (name in {"a", "b"}, wins, why) == (True, True, "its share of the requests")
        assert other == ("ab".replace(name, ""), False, "another route of this match, by weight")


SEGMENT = st.sampled_from(["a", "b", "ab", "a*"])
PATHS = st.lists(SEGMENT.filter(lambda s: "*" not in s), max_size=3).map(
    lambda s: "".join(f"/{part}" for part in s)
)
PATTERNS = st.lists(SEGMENT, max_size=3).map(lambda s: "".join(f"/{part}" for part in s))
HOSTS = [
    ANY_HOST,
    Host("a.x"),
    Host("b.a.x"),
    Host("x", Labels.ANY),
    Host("a.x", Labels.ANY),
    Host("x", Labels.ONE),
]


@st.composite
def matches(draw):
    kind = draw(st.sampled_from(PathKind))
    path = draw(PATTERNS if kind is PathKind.GLOB else PATHS)
    if kind is not PathKind.SEGMENTS and not path:
        path = "/"
    return Match(
        draw(st.sampled_from(HOSTS)),
        path,
        kind,
        methods=draw(st.sampled_from([(), (), ("GET",), ("POST",)])),
        headers=draw(st.sampled_from([(), (), (("x-a", "1"),)])),
    )  # fmt: skip


def naive_host(host, name):
    if host.labels is Labels.NONE:
        return host.name in ("", name)
    before = name.removesuffix(f".{host.name}")
    return before != name and (host.labels is Labels.ANY or "." not in before)


def naive_glob(pattern, text):
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(naive_glob(pattern[1:], text[cut:]) for cut in range(len(text) + 1))
    return bool(text) and text[0] == pattern[0] and naive_glob(pattern[1:], text[1:])


def naive_path(match, path):
    if match.kind is PathKind.EXACT:
        return path == match.path
    if match.kind is PathKind.SEGMENTS:
        return path == match.path or path.startswith(match.path + "/")
    return path.startswith(match.path) if match.kind is PathKind.PREFIX else naive_glob(match.path, path)


def naive_rank(route):
    """The rule, spelled out: of two routes that match, the one with the larger value receives the request."""
    host, match = route.match.host, route.match
    if route.priority is not None:
        return (1, route.priority)
    everything = host == ANY_HOST and (
        not match.path or (match.kind is PathKind.PREFIX and match.path == "/")
    )
    return (
        0 if everything else 2,
        0 if host == ANY_HOST else 2 if host.labels is Labels.NONE else 1,
        len(host.name),
        host.labels is Labels.ONE,
        len(match.path.partition("*")[0]) if match.kind is PathKind.GLOB else len(match.path),
        [PathKind.GLOB, PathKind.PREFIX, PathKind.SEGMENTS, PathKind.EXACT].index(match.kind),
        len(match.path),
        bool(match.methods) + len(match.headers),
    )


@given(
    st.lists(st.tuples(matches(), st.sampled_from([None, None, 1, 2])), max_size=8),
    st.sampled_from(["a.x", "b.a.x", "c.b.a.x", "x", "y"]),
    st.builds(lambda path, slash: (path + slash) or "/", PATHS, st.sampled_from(["", "/"])),
    st.sampled_from(["GET", "POST"]),
    st.booleans(),
)
def test_the_index_finds_what_the_rule_says(declared, host, target, method, with_field):
    routes = [Route(f"s{n}", match, priority=priority) for n, (match, priority) in enumerate(declared)]
    request = head(target, host, *(["X-A: 1"] if with_field else []), method=method)
    text = request.target.decode()
    own = [r for r in routes if r.priority is None and naive_rank(r)[0] == 0 and not r.match.matchers]
    fitting = [
        route
        for route in routes
        if naive_host(route.match.host, host)
        and naive_path(route.match, text)
        and (not route.match.methods or method in route.match.methods)
        and (not route.match.headers or with_field)
        and not (own and route.priority is not None and route.match.catches_all and not route.match.matchers)
    ]
    best = max(fitting, key=naive_rank, default=None)  # The first, which is the oldest, of equal ones.
    expected = best and (best.match, best.priority)
    found = find(compiled(routes), request)
    assert (found and (found.route.match, found.route.priority)) == expected
    if found:
        assert found.route is next(r for r in routes if (r.match, r.priority) == expected)


@given(st.lists(st.tuples(matches(), st.sampled_from([None, 1, 2])), max_size=6, unique=True), st.randoms())
def test_the_order_is_total_and_stable(declared, random):
    """The order of declaration decides among equals only, and compiling again changes nothing."""
    routes = [Route(f"s{n}", match, priority=priority) for n, (match, priority) in enumerate(declared)]
    once = compiled(routes).routes
    assert compiled(once).routes == once
    shuffled = routes.copy()
    random.shuffle(shuffled)
    other = compiled(shuffled).routes
    assert [naive_rank(route) for route in other] == [naive_rank(route) for route in once]


def test_a_table_keeps_its_generation():
    assert compiled([replace(parse_service("web"), source="x")], generation=7).generation == 7
