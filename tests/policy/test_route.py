import pytest
from hypothesis import given
from hypothesis import strategies as st

from pylb.policy.pool import Pool
from pylb.policy.route import Route, Routes, parse_route
from tests.every import every
from tests.policy.backends import web_pool


def routes(*texts):
    parsed = [parse_route(text) for text in texts]
    return Routes(parsed, {route.service: Pool(route.service) for route in parsed})


def service(table, host, target):
    pool = table.match(host.encode(), target.encode())
    return pool and pool.service


class TestParse:
    @every(
        ("text", "route"),
        [
            ("web", Route("web")),
            ("my-web_2.blue", Route("my-web_2.blue")),
            ("api=/api", Route("api", path="/api")),
            ("api=/api/", Route("api", path="/api")),
            ("api=/", Route("api")),
            ("api=/v1/a=b", Route("api", path="/v1/a=b")),
            ("shop=shop.example.com", Route("shop", "shop.example.com")),
            ("shop=Shop.Example.COM.", Route("shop", "shop.example.com")),
            ("shop=shop.example.com/Cart", Route("shop", "shop.example.com", "/Cart")),
            ("shop=localhost/", Route("shop", "localhost")),
            ("shop=192.0.2.1", Route("shop", "192.0.2.1")),
            ("shop=[2001:db8::1]/cart", Route("shop", "[2001:db8::1]", "/cart")),
        ],
    )
    def test_reads(self, text, route):
        assert parse_route(text) == route

    @every(
        ("text", "complaint"),
        [
            ("", "does not start with the name of a service"),
            ("=/api", "does not start with the name of a service"),
            ("/api", "does not start with the name of a service"),
            ("web api", "does not start with the name of a service"),
            ("web=", "ends where a host or path should be"),
            ("web=a.example:8080", "no usable host"),
            ("web=*.example.com", "no usable host"),
            ("web=-a", "no usable host"),
            ("web=a b/", "no usable host"),
            ("web=bücher.example", "no usable host"),
            ("web=[::1", "no usable host"),
            ("web=/a b", "no usable path"),
            ("web=/café", "no usable path"),
            ("web=/a?b=c", "no usable path"),
            ("web=/a#b", "no usable path"),
            ("web=/a\nb", "no usable path"),
        ],
    )
    def test_refuses_in_one_line_that_quotes_it(self, text, complaint):
        with pytest.raises(ValueError, match=complaint) as refused:
            parse_route(text)
        assert repr(text) in str(refused.value)
        assert "expected" in str(refused.value)
        assert "\n" not in str(refused.value)

    @pytest.mark.parametrize("text", ["web", "api=/api", "shop=a.example", "shop=a.example/cart"])
    def test_a_route_writes_itself_as_it_was_read(self, text):
        assert str(parse_route(text)) == text


class TestMatch:
    def test_one_service_takes_all(self):
        table = routes("web")
        for host, target in [("", "/"), ("a.example", "/x?y"), ("[::1]:80", "*")]:
            assert service(table, host, target) == "web"

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
            ("//api", "web"),
            ("*", "web"),
            ("/api/v2", "v2"),
            ("/api/v2/x", "v2"),
            ("/api/v2?x", "v2"),
            ("/api/v22", "api"),
            ("/api/v2x/y", "api"),
        ],
    )
    def test_longest_path_by_whole_segments(self, target, expected):
        assert service(routes("api=/api", "web", "v2=/api/v2"), "any.example", target) == expected

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
        table = routes(
            "web",
            "shop=shop.example.com",
            "cart=shop.example.com/cart",
            "pay=pay.example.com/pay",
            "six=[2001:db8::1]",
        )
        assert service(table, host, target) == expected

    def test_a_short_path_of_the_host_beats_a_long_one_of_none(self):
        assert service(routes("api=/api/v2", "shop=a.example"), "a.example", "/api/v2/x") == "shop"

    def test_nobody_may_want_it(self):
        table = routes("api=/api", "shop=a.example/cart")
        assert service(table, "b.example", "/cart") is None
        assert service(table, "a.example", "/") is None
        assert service(table, "a.example", "*") is None
        assert service(Routes((), {}), "a.example", "/") is None

    def test_one_service_may_have_several_routes(self):
        parsed = [parse_route(text) for text in ("web=/a", "web=b.example")]
        pool = web_pool()
        table = Routes(parsed, {"web": pool})
        assert table.match(b"x", b"/a") is table.match(b"b.example", b"/") is pool

    @pytest.mark.parametrize(
        "texts", [("a", "b"), ("web", "web"), ("a=/x", "b=/x/"), ("a=H.example", "b=h.example")]
    )
    def test_two_services_cannot_have_the_same_requests(self, texts):
        with pytest.raises(ValueError, match="are for the same requests") as refused:
            routes(*texts)
        assert "\n" not in str(refused.value)

    def test_a_target_of_slashes_costs_no_more_than_a_short_one(self):
        """Only as much of a target is looked at as the longest route has."""

        class Counting(dict):
            asked = 0

            def __contains__(self, key):
                self.asked += 1
                return super().__contains__(key)

        table = routes("api=/api", "v2=/api/v2")
        table._any_host = counting = Counting(table._any_host)
        assert service(table, "a.example", "/" * 8000) is None
        assert counting.asked <= len("/api/v2") + 1


SEGMENT = st.sampled_from(["a", "b", "ab", ""])
PATHS = st.lists(SEGMENT, max_size=4).map(lambda segments: "".join(f"/{segment}" for segment in segments))
HOSTS = st.sampled_from(["", "a.example", "b.example"])


@given(
    st.lists(st.tuples(HOSTS, PATHS.map(lambda path: path.rstrip("/"))), unique=True, max_size=8),
    HOSTS,
    PATHS,
    st.sampled_from(["", "?", "?/a/b", "/"]),
)
def test_match_follows_the_rule(places, host, path, tail):
    """The rule, spelled out: of all that fit, one with a host before one without, then the longest path."""
    table = [Route(f"s{number}", *place) for number, place in enumerate(places)]
    target = (path or "/") + tail
    plain = target.partition("?")[0]
    fitting = [
        r for r in table if r.host in ("", host) and (plain == r.path or plain.startswith(r.path + "/"))
    ]
    expected = max(fitting, key=lambda r: (bool(r.host), len(r.path)), default=None)
    pools = {route.service: Pool(route.service) for route in table}
    found = Routes(table, pools).match(host.encode(), target.encode())
    assert found is (expected and pools[expected.service])
