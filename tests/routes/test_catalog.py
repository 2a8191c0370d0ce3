from dataclasses import dataclass
from itertools import chain, count, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pylb.model import Endpoint
from pylb.routes.bounds import read_bounds
from pylb.routes.catalog import Catalog, Rules
from pylb.routes.share import Shares
from tests.routes.heads import compiled
from tests.routes.outcome import outcome
from tests.routes.test_imports import TAGS

NUMBERS = count()


def instance(service, *tags, meta=(), status="passing", created=0):
    number = next(NUMBERS)
    return Endpoint(
        service, "10.0.0.1", 80 + number, id=f"{service}-{number}", tags=tags, meta=tuple(meta),
        status=status, created=created,
    )  # fmt: skip


@dataclass
class Collected:
    """What all services of a catalog declare together."""

    routes: tuple
    settings: tuple
    problems: tuple


def collect(services, rules):
    catalog = Catalog(rules)
    for service, endpoints in services.items():
        catalog.read(service, endpoints)
    declared = sorted(
        (each for name in services if (each := catalog.declaration(name))), key=lambda d: (d.order, d.service)
    )
    return Collected(
        tuple(chain.from_iterable(each.routes for each in declared)),
        tuple((each.service, each.settings) for each in declared if each.settings),
        tuple(chain.from_iterable(catalog.problems(each) for each in services)),
    )


def texts(catalog):
    return [(problem.service, problem.text) for problem in catalog.problems]


def test_a_service_declares_routes_in_metadata_and_tags():
    catalog = collect(
        {
            "shop": [instance("shop", "lb_route=/tagged", meta=[("lb_route", "shop.io/cart strip=/cart")])],
            "silent": [instance("silent", "web", "lb_weight=3")],
        },
        Rules(),
    )
    routes = compiled(catalog.routes)
    assert outcome(routes, "GET http://shop.io/cart/1") == "shop /1"
    assert outcome(routes, "GET http://x/tagged") == "shop /tagged"
    assert outcome(routes, "GET http://x/") == "404"
    assert catalog.problems == ()


def test_the_settings_of_a_service_are_those_of_the_majority():
    instances = [
        instance("a", meta=[("lb_route", "/a"), ("lb_response_timeout", seconds)])
        for seconds in ("5s", "5s", "9s")
    ]
    catalog = collect({"a": instances}, Rules())
    assert catalog.settings == (("a", (("response-timeout", "5s"),)),)
    assert texts(catalog) == [
        ("a", f"1 of 3 instances declare other lb_route than the majority: '{instances[2].id}'")
    ]


def test_a_route_that_is_wrong_concerns_itself_alone():
    catalog = collect({"a": [instance("a", "lb_route=/ok", "lb_route=/x bogus")]}, Rules())
    assert [route.match.path for route in catalog.routes] == ["/ok"]
    assert texts(catalog) == [("a", "lb_route: '/x bogus': got 'bogus', expected key=value")]


def test_the_older_of_two_services_holds_a_match():
    services = {
        "younger": [instance("younger", "lb_route=/a", created=9)],
        "older": [instance("older", "lb_route=/a", created=3)],
    }
    routes = compiled(collect(services, Rules()).routes)
    assert outcome(routes, "GET http://x/a") == "older /a"
    assert [problem.service for problem in routes.problems] == ["younger"]


def weights(routes, path):
    (found,) = [each for group in routes._groups() for each in group.routes if each.fits(path)]
    assert isinstance(found.shares, Shares)
    bounds = [0.0, *found.shares._bounds]
    parts = [round(high - low, 6) for low, high in pairwise(bounds)]
    return dict(zip((member.route.service for member in found.shares.members), parts, strict=True))


@pytest.mark.parametrize(
    ("blue", "green", "shares"),
    [
        (["", ""], ["", ""], (0.5, 0.5)),
        (["", "", ""], [""], (0.75, 0.25)),
        ([" weight=.1"], ["", ""], (0.1, 0.9)),
        ([" weight=.7", " weight=.7"], [""], (1.0, 0.0)),
        ([" weight=20"], [" weight=80"], (0.2, 0.8)),
        ([" weight=0"], [" weight=.5", ""], (0.25, 0.75)),
    ],
)
def test_services_with_one_tag_of_fabio_share_the_requests_by_instance(blue, green, shares):
    services = {
        name: [instance(name, f"urlprefix-/a{weight}", created=age) for weight in weights]
        for age, (name, weights) in enumerate([("blue", blue), ("green", green)])
    }
    catalog = collect(services, Rules())
    assert catalog.problems == ()
    routes = compiled(catalog.routes)
    assert routes.problems == ()
    assert weights(routes, b"/a") == {"blue": shares[0], "green": shares[1]}


def test_claims_outside_of_the_bounds_are_excluded():
    services = {
        "shop": [instance("shop", "urlprefix-shop.io/cart/", "urlprefix-/", "lb_route=a.shop.io")],
        "evil": [
            instance("evil", "lb_route=shop.io/cart/x", "traefik.http.routers.r.rule=Host(`a.shop.io`)")
        ],
    }
    rules = Rules(bounds=read_bounds("shop=shop.io/cart,*.shop.io"))
    catalog = collect(services, rules)
    assert [(route.service, route.match.place) for route in catalog.routes] == [
        ("shop", "a.shop.io"),
        ("shop", "shop.io/cart/"),
    ]
    assert len(texts(catalog)) == 3
    assert all("outside of what --catalog-allow permits" in text for _, text in texts(catalog))


def test_sources_can_be_switched_off():
    services = {"a": [instance("a", "urlprefix-/a", "traefik.http.routers.r.rule=Path(`/b`)")]}
    assert collect(services, Rules(tag_prefix="", label_prefix="")).routes == ()


def test_labels_of_containers_stand_in_metadata():
    labels = [("traefik.http.routers.r.rule", "Path(`/b`)")]
    assert len(collect({"a": [instance("a", meta=labels)]}, Rules()).routes) == 1


def test_a_hostile_instance_costs_a_bounded_number_of_routes_and_problems():
    tags = [f"urlprefix-/{n}" for n in range(5_000)] + [f"lb_route=/r{n}" for n in range(5_000)]
    tags += [f"traefik.http.routers.r{n}.rule=Path(`/t{n}`)" for n in range(5_000)]
    tags += [
        "urlprefix-/" + "a" * 100_000,
        "traefik.http.routers.x.rule=\x1b[2J",
        "lb_route=\x1b[2J",
        "urlprefix-/\n",
    ]
    catalog = collect({"evil": [instance("evil", *tags)]}, Rules())
    assert len(catalog.routes) < 200
    assert len(catalog.problems) < 20
    assert all(problem.text.isprintable() and len(problem.text) < 500 for problem in catalog.problems)


@given(st.lists(TAGS, max_size=3))
def test_no_tag_makes_an_error(instances):
    catalog = collect({"web": [instance("web", *tags) for tags in instances]}, Rules(datacenter="dc1"))
    routes = compiled(catalog.routes)
    for problem in (*catalog.problems, *routes.problems):
        assert problem.text.isprintable()
    outcome(routes, "GET http://a.io/api/x")


def test_a_change_of_one_service_changes_those_that_share_with_it():
    catalog = Catalog(Rules())
    assert catalog.read("blue", [instance("blue", "urlprefix-/a")]) == {"blue"}
    assert catalog.read("other", [instance("other", "urlprefix-/b")]) == {"other"}
    assert catalog.declaration("blue").routes[0].share is None
    assert catalog.read("green", [instance("green", "urlprefix-/a")]) == {"green", "blue"}
    assert catalog.declaration("blue").routes[0].share.weight == 0.5
    assert catalog.read("green", []) == {"green", "blue"}
    assert catalog.declaration("green") is None
    assert catalog.declaration("blue").routes[0].share is None


@pytest.mark.parametrize("allowed", ["*", "web"])
def test_a_route_that_names_a_protection_is_served_only_on_request(allowed):
    services = {"web": [instance("web", "urlprefix-/a auth=basic")]}
    collected = collect(services, Rules())
    assert outcome(compiled(collected.routes), "GET http://x/a").startswith("503")
    assert "is answered with 503" in texts(collected)[0][1]
    served = collect(services, Rules(unprotected=frozenset([allowed])))
    assert outcome(compiled(served.routes), "GET http://x/a") == "web /a"
    assert served.problems == ()


@pytest.mark.parametrize(
    "declared", [["lb_route=/a auth=team"], ["lb_route=/a", "lb_auth=team"], ["urlprefix-/a", "lb_auth=team"]]
)
def test_a_key_that_pylb_does_not_know_may_protect_and_blocks_what_it_is_for(declared):
    def lacks(name):
        return f"{name} is unknown" if name == "auth" else ""

    services = {"web": [instance("web", *declared, "lb_retries=0")]}
    collected = collect(services, Rules(unknown=lacks))
    assert outcome(compiled(collected.routes), "GET http://x/a").startswith("503")
    ((service, text),) = texts(collected)
    assert service == "web"
    assert text.startswith("/a is answered with 503: ")
    assert "auth is unknown" in text
    assert collected.settings == (("web", (("retries", "0"),)),)
    assert collected.routes[0].settings == ()
    served = collect(services, Rules(unknown=lacks, unprotected=frozenset(["web"])))
    assert outcome(compiled(served.routes), "GET http://x/a") == "web /a"


def test_the_port_and_the_weight_of_an_instance_are_those_of_its_registration():
    rule, server = "traefik.http.routers.r.rule=Path(`/a`)", "traefik.http.services.s.loadbalancer.server."
    endpoint = instance("a", rule, f"{server}port=9", f"{server}weight=2", f"{server}scheme=https")
    catalog = Catalog(Rules())
    catalog.read("a", [endpoint])
    (route,) = catalog.declaration("a").routes
    assert route.settings == (("upstream-tls", "on"),)
    assert [each.text for each in catalog.problems("a")] == [
        f"port '9' is ignored: registered are {endpoint.port}",
        "weight '2' is ignored, expected lb_weight",
    ]
    catalog.read("a", [instance("a", rule, f"{server}port={80 + next(NUMBERS) + 1}")])
    assert catalog.problems("a") == ()


def test_a_setting_names_the_key_that_declares_it():
    catalog = Catalog(Rules())
    catalog.read("web", [instance("web", "lb_route=/a", "lb_response_timeout=5s")])
    assert [*catalog.declaration("web").with_origins()] == [
        (("response-timeout", "5s"), "lb_response_timeout of the catalog")
    ]


def test_instances_agree_on_a_setting_in_two_spellings():
    instances = [instance("web", "lb_route=/a", f"lb_response_timeout={each}") for each in ("1s", "1000ms")]
    collected = collect({"web": instances}, Rules())
    assert collected.problems == ()
    assert collected.settings == (("web", (("response-timeout", "1s"),)),)
