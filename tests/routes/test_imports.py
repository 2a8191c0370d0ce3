"""Tags of fabio and labels of Traefik: the vectors, and hostile ones."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pylb.routes.fabio import read_tag, shares
from pylb.routes.text import service_text
from pylb.routes.traefik.labels import MOST_LABELS
from pylb.routes.traefik.routers import MOST_ROUTERS, read_tags
from tests.every import every
from tests.routes.heads import CLIENT, SECURE, find, head
from tests.routes.imports import imported
from tests.routes.outcome import outcome

VECTORS = {
    f"{path.stem}/{name}": case
    for path in sorted((Path(__file__).parent / "vectors").glob("*.toml"))
    for name, case in tomllib.loads(path.read_text()).items()
}


def full(tag):
    """Labels are written without what all of them begin with."""
    return tag if tag.startswith(("urlprefix-", "traefik.")) else f"traefik.http.{tag}"


@pytest.mark.parametrize("case", VECTORS.values(), ids=VECTORS)
def test_the_vectors(case):
    routes, problems = imported({name: [*map(full, tags)] for name, tags in case["services"].items()})
    assert [(line, *fields, outcome(routes, line, *fields)) for line, _, *fields in case["requests"]] == [
        (line, *fields, expected) for line, expected, *fields in case["requests"]
    ]
    texts = "\n".join(problems)
    assert [part for part in case.get("problems", ()) if part not in texts] == []
    assert bool(texts) is ("problems" in case)


@every(
    ("weights", "expected"),
    [
        ([0.1, 0, 0], [0.1, 0.45, 0.45]),
        ([0.7, 0.7, 0], [0.5, 0.5, 0]),
        ([0.2, 0.2], [0.5, 0.5]),
        ([1, 0, 0], [1, 0, 0]),
        ([20, 80], [0.2, 0.8]),
        ([0, 0.5, 0], [0.25, 0.5, 0.25]),
        ([], []),
    ],
)
def test_weights_divide_the_traffic_of_a_route_as_in_fabio(weights, expected):
    assert shares(weights) == pytest.approx(expected)


def test_a_tag_has_the_weight_of_its_instance_and_what_it_ignores():
    tagged = read_tag("urlprefix-/a weight=.25 register=b pxyproto=true proto=https", "a")
    assert tagged.weight == 0.25
    assert len(tagged.ignored) == 2
    assert tagged.routes[0].settings == (("upstream-tls", "on"),)
    unverified = read_tag("urlprefix-/a proto=https tlsskipverify=true", "a")
    assert unverified.routes[0].settings == (("upstream-tls", "on"), ("upstream-tls-verify", "off"))
    assert read_tag("web", "a") is None
    assert read_tag("edge-/a", "a", prefix="edge-").routes[0].match.path == "/a"
    assert read_tag("urlprefix-$DC.io/${DC}", "a", datacenter="dc1").routes[0].match.place == "dc1.io/dc1"


def test_labels_become_settings():
    labels = {
        "routers.r.rule": "Path(`/a`)",
        "services.s.loadbalancer.server.port": "8080",
        "services.s.loadbalancer.server.scheme": "https",
        "services.s.loadbalancer.healthcheck.path": "/health",
        "services.s.loadbalancer.passhostheader": "false",
        "services.s.loadbalancer.sticky.cookie.name": "c",
    }
    read = read_tags("a", [f"traefik.http.{key}={value}" for key, value in labels.items()])
    [route] = read.routes
    assert route.settings == (("port", "8080"), ("upstream-tls", "on"), ("probe-http", "/health"))
    assert route.actions.host == "dst"
    assert read.problems == (
        "router 'r': loadbalancer.sticky.cookie.name is ignored: sessions are not sticky",
    )


def test_fields_that_headers_change():
    labels = {
        "routers.r.rule": "Path(`/a`)",
        "routers.r.middlewares": "h",
        "middlewares.h.headers.customrequestheaders.x-a": "1",
        "middlewares.h.headers.customrequestheaders.cookie": "",
        "middlewares.h.headers.customrequestheaders.host": "inner.io",
        "middlewares.h.headers.framedeny": "true",
        "middlewares.h.headers.contenttypenosniff": "false",
    }
    [route] = read_tags("a", [f"traefik.http.{key}={value}" for key, value in labels.items()]).routes
    assert service_text(route) == (
        "'a=/a' path=exact host=inner.io set:X-A=1 remove:Cookie response-set:X-Frame-Options=DENY"
    ).replace("'", "")
    labels["middlewares.h.headers.customrequestheaders.x-forwarded-for"] = ""
    read = read_tags("a", [f"traefik.http.{key}={value}" for key, value in labels.items()])
    assert "pylb writes itself" in read.routes[0].blocked


def test_strict_transport_security_is_for_responses_with_tls():
    labels = {
        "routers.r.rule": "Host(`a.io`)",
        "routers.r.middlewares": "sts@docker",
        "middlewares.sts.headers.stsseconds": "60",
        "middlewares.sts.headers.stspreload": "true",
        "middlewares.sts.headers.framedeny": "true",
    }

    def fields():
        tags = [f"traefik.http.{key}={value}" for key, value in labels.items()]
        routes = imported({"a": tags})[0]
        found = [find(routes, head(host="a.io"), client=client).route for client in (CLIENT, SECURE)]
        return [[each.value for each in route.actions.response_fields] for route in found]

    assert fields() == [["DENY"], ["DENY", "max-age=60; preload"]]
    labels["middlewares.sts.headers.forcestsheader"] = "true"
    assert fields() == [["max-age=60; preload", "DENY"]] * 2


def test_an_instance_declares_a_bounded_number_of_routes_and_problems():
    tags = [f"traefik.http.routers.r{n}.rule=Path(`/t{n}`)" for n in range(5_000)]
    read = read_tags("evil", tags)
    assert len(read.routes) == MOST_ROUTERS < MOST_LABELS
    assert len(read.problems) == 2
    with pytest.raises(ValueError, match="expected at most 1024") as caught:
        read_tag("urlprefix-/" + "a" * 100_000, "evil")
    assert len(str(caught.value)) < 300


PIECES = st.sampled_from([
    "urlprefix-", "traefik.http.routers.r.rule=", "traefik.http.routers.r.middlewares=m",
    "traefik.http.middlewares.m.stripprefix.prefixes=", "traefik.http.services.s.loadbalancer.",
    "Host(`a.io`)", "PathPrefix(`/`)", " && ", "||", "!", "(", ")", "a.io", "*.", "/", "/api",
    " strip=/a", " redirect=301,/x", " auth=x", " allow=ip:", ":80", "{a,b}", "$DC", "$", "`", "'", '"',
    "=", ",", " ", "%", "%2e", "é", "\n", "\x00",
])  # fmt: skip
TAGS = st.lists(st.lists(PIECES, max_size=8).map("".join) | st.text(max_size=20), max_size=12)


@given(TAGS)
def test_no_tag_makes_an_error_or_a_line_of_its_own(tags):
    routes, problems = imported({"web": tags})
    assert all(text.isprintable() for text in (*problems, *(each.text for each in routes.problems)))
    for route in routes.routes:
        assert service_text(route).isprintable()
        assert route.blocked.isprintable()
        assert not (route.blocked and route.match.catches_all and route.priority is not None)
    for line in ("GET http://a.io/api/x", "GET https://b.a.io/", "POST http://x/%2e%2e/api"):
        outcome(routes, line)
