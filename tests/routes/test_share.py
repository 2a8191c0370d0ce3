from collections import Counter
from itertools import cycle

from pylb.http1.headers import ClientInfo
from pylb.routes.share import Shares, cookie
from tests.routes.heads import CLIENT, head


def shares(weights, by="", points=(0.0,)):
    return Shares(list("abcdef"[: len(weights)]), weights, by, cycle(points).__next__)


def test_the_drawn_point_decides_without_a_key():
    points = [0.0, 0.1, 0.199, 0.2, 0.5, 0.999_999_999]
    drawn = shares([20, 80], points=points)
    assert [drawn.choose(head(), CLIENT) for _ in points] == list("aaabbb")


def test_a_weight_of_zero_receives_nothing():
    points = [0.0, 0.5, 0.999]
    drawn = shares([0, 1, 0], points=points)
    assert {drawn.choose(head(), CLIENT) for _ in points} == {"b"}


def members(weights, by="client", count=4_000):
    drawn = shares(weights, by)
    return [drawn.choose(head(), ClientInfo(f"10.0.{n >> 8}.{n & 255}", "http")) for n in range(count)]


def test_clients_are_assigned_by_their_address_in_proportion_to_the_weights():
    first = members([10, 90])
    assert first == members([10, 90])
    assert abs(Counter(first)["a"] / len(first) - 0.1) < 0.02


def test_a_higher_weight_takes_no_client_away_from_the_route_that_has_it():
    before, after = members([10, 90]), members([20, 80])
    assert {new for old, new in zip(before, after, strict=True) if old == "a"} == {"a"}


def test_a_cookie_decides_and_without_it_the_client():
    drawn = shares([50, 50], "cookie:user")
    with_cookie = [drawn.choose(head("/", "x", f"Cookie: a=b; user={n}"), CLIENT) for n in range(200)]
    assert 60 < with_cookie.count("a") < 140
    assert with_cookie == [drawn.choose(head("/", "x", f"Cookie: user={n}"), CLIENT) for n in range(200)]
    assert len({drawn.choose(head(f"/{n}"), CLIENT) for n in range(50)}) == 1


def test_cookies():
    request = head("/", "x", "Cookie: a=1; b = 2 ;c", "X-Cookie: b=3", "cookie: d=4=5")
    assert [cookie(request, name) for name in (b"a", b"b", b"c", b"d", b"e")] == [
        b"1",
        b"2",
        b"",
        b"4=5",
        b"",
    ]
