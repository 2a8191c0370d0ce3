from time import process_time

import pytest

from pylb.routes.index import KNOWN_HOSTS, compile_glob, host_name
from tests.routes.heads import service, table


@pytest.mark.parametrize(
    ("host", "name"),
    [
        (b"A.Example:80", b"a.example"),
        (b"a.example.", b"a.example"),
        (b"a.example.:80", b"a.example"),
        (b"[::1]:80", b"[::1]"),
        (b"", b""),
    ],
)
def test_a_host_is_compared_without_port_and_final_dot(host, name):
    assert host_name(host) == name


@pytest.mark.parametrize(
    ("glob", "path", "matches"),
    [
        ("/*.png", "/a/b.png", True),
        ("/*.png", "/a.pngx", False),
        ("/a?c", "/abc", True),
        ("/a?c", "/ac", False),
        ("/**", "/", True),
        ("/*a*a", "/a", False),
        ("/*a*a", "/aa", True),
        ("/x*y*z", "/xyyz", True),
        ("/x", "/x", True),
        ("/[a]", "/[a]", True),
        ("/[a]", "/a", False),
    ],
)
def test_globs(glob, path, matches):
    assert (compile_glob(glob).fullmatch(path.encode()) is not None) is matches


def test_a_glob_with_many_wildcards_costs_no_more_than_linear_time():
    glob = compile_glob("/" + "a*" * 200 + "b")
    started = process_time()
    assert glob.fullmatch(b"/" + b"a" * 8000) is None
    assert process_time() - started < 0.5


def test_more_hosts_than_are_cached_change_nothing():
    routes = table("web", "shop=*.shop.example")
    for number in range(KNOWN_HOSTS + 10):
        assert service(routes, f"h{number}.shop.example", "/") == "shop"
        assert service(routes, f"h{number}.example", "/") == "web"
