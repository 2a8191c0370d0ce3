import pytest

from pylb.routes.bounds import permitted, read_bounds
from pylb.routes.grammar import parse_service
from pylb.routes.match import Host, Labels, Match
from pylb.routes.traefik.rule import read_rule
from tests.every import every


@every(
    ("claim", "allowed"),
    [
        ("shop=shop.io/cart", True),
        ("shop=shop.io/cart/x", True),
        ("shop=shop.io/cart/ path=prefix", True),
        ("shop=shop.io/cart path=exact", True),
        ("shop=shop.io/cart/*.png path=glob", True),
        ("shop=shop.io/cart path=prefix", False),
        ("shop=shop.io/cart* path=glob", False),
        ("shop=shop.io/carts", False),
        ("shop=shop.io", False),
        ("shop=a.shop.io/cart", False),
        ("shop=/cart", False),
        ("shop=/public/x", True),
        ("shop=any.io/public", True),
        ("shop=a.pub.io", True),
        ("shop=*.b.pub.io/x", True),
        ("shop=*.pub.io", True),
        ("shop=pub.io", False),
        ("shop=*.io", False),
        ("shop", False),
        ("other=shop.io/cart", False),
        ("other=status.io", True),
    ],
)
def test_a_service_claims_what_is_listed_for_it_or_for_all(claim, allowed):
    bounds = read_bounds("shop=shop.io/cart,/public,*.pub.io") + read_bounds("*=status.io")
    route = parse_service(claim)
    assert permitted(bounds, route.service, route.match) is allowed


def test_patterns_of_hosts_are_within_a_wildcard_only_if_all_their_hosts_are():
    bounds = read_bounds("a=*.x.io")
    assert permitted(bounds, "a", Match(Host("x.io", Labels.ONE)))
    assert permitted(bounds, "a", Match(Host("a*.x.io", Labels.GLOB)))
    assert not permitted(bounds, "a", Match(Host("a*x.io", Labels.GLOB)))
    assert not permitted(bounds, "a", Match(Host("*", Labels.GLOB)))


def test_a_star_permits_everything_and_so_does_the_absence_of_bounds():
    assert permitted(read_bounds("a=*"), "a", parse_service("a=/x").match)
    assert permitted((), "a", parse_service("a").match)


@every("text", ["", "a", "a=", "=/x", "a=/x,", "a b=/x", "a=x:80", "a=/x?y", "a=-x"])
def test_what_is_no_bound(text):
    with pytest.raises(ValueError, match="expected"):
        read_bounds(text)


@every(
    ("rule", "inside"),
    [
        (r"HostRegexp(`^[a-z]+\.a\.io$`)", True),
        (r"HostRegexp(`^[a-z]+\.b\.io$`)", False),
        (r"HostRegexp(`a\.io`)", False),
        (r"HostRegexp(`^.*a\.io$`)", False),
        (r"HostRegexp(`^.+$`) && Host(`x.a.io`)", True),
    ],
)
def test_an_expression_is_bounded_by_the_end_of_the_host(rule, inside):
    [clause] = read_rule(rule)
    assert permitted(read_bounds("tenants=*.a.io"), "tenants", clause.match) is inside
