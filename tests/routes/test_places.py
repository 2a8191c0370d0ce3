from time import process_time

from pylb.routes.match import ANY_HOST, Labels, read_host, read_host_glob
from pylb.routes.places import compile_glob, compile_host, host_name
from tests.every import every


@every(
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


@every(
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


@every(
    ("host", "name", "fits"),
    [
        (ANY_HOST, "", True),
        (read_host("a.x"), "a.x", True),
        (read_host("a.x"), "b.a.x", False),
        (read_host("*.x"), "b.a.x", True),
        (read_host("*.x"), "x", False),
        (read_host("*.x", Labels.ONE), "b.a.x", False),
        (read_host("*.x", Labels.ONE), "a.x", True),
        (read_host_glob("a*.x"), "abc.d.x", True),
        (read_host_glob("a?.x"), "a.x", False),
    ],
)
def test_hosts(host, name, fits):
    assert compile_host(host)(name.encode()) is fits
