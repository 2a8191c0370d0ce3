import pytest

from pylb.routes.index import KNOWN_HOSTS
from pylb.routes.match import Match, PathKind, read_host, read_host_glob
from pylb.routes.route import Route
from tests.routes.heads import SECURE, compiled, service, table


def test_more_hosts_than_are_cached_change_nothing():
    routes = table("web", "shop=*.shop.example")
    for number in range(KNOWN_HOSTS + 10):
        assert service(routes, f"h{number}.shop.example", "/") == "shop"
        assert service(routes, f"h{number}.example", "/") == "web"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("abc.example.com", "exact"),
        ("abd.example.com", "long"),
        ("axd.example.com", "short"),
        ("x.example.com", "wide"),
        ("x.example.org", "none"),
    ],
)
def test_the_longest_pattern_of_a_host(host, expected):
    hosts = {
        "short": read_host_glob("a*.example.com"),
        "long": read_host_glob("ab*.example.com"),
        "exact": read_host("abc.example.com"),
        "wide": read_host("*.example.com"),
    }
    routes = [Route("none", Match(path="/", kind=PathKind.PREFIX))]
    routes += [Route(name, Match(host, "/", PathKind.PREFIX)) for name, host in hosts.items()]
    assert service(compiled(routes), host, "/x") == expected


def test_routes_for_a_port_precede_all_paths_of_the_host():
    host = read_host("h.example")
    port = Match(host, "/", PathKind.PREFIX, scheme="http", default_port=True)
    path = Match(host, "/api", PathKind.PREFIX, default_port=True)
    routes = compiled([Route("path", path), Route("port", port)])
    assert service(routes, "h.example", "/api") == "port"
    assert service(routes, "h.example:80", "/api") == "port"
    assert service(routes, "h.example", "/api", client=SECURE) == "path"
    assert service(routes, "h.example:8080", "/api") is None
