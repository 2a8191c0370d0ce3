import pytest

from pylb.routes.match import (
    ANY_HOST,
    LONGEST_PATH,
    Host,
    Labels,
    Match,
    PathKind,
    read_field,
    read_host,
    read_methods,
    read_path,
)
from tests.every import every


@every(
    ("text", "host"),
    [
        ("Shop.Example.COM.", Host("shop.example.com")),
        ("localhost", Host("localhost")),
        ("[2001:db8::1]", Host("[2001:db8::1]")),
        ("*.example.com", Host("example.com", Labels.ANY)),
        ("my_host-1.x", Host("my_host-1.x")),
    ],
)
def test_hosts(text, host):
    assert read_host(text) == host


@every(
    "text",
    [
        "",
        "*",
        "*.",
        "a*.x",
        "a.*.x",
        "**.x",
        "a:80",
        "-a",
        "a-",
        "b\u00fccher.example",
        "[::1",
        "*.[::1]",
        "a b",
        "a" * 256,
    ],
)
def test_what_is_no_host(text):
    with pytest.raises(ValueError, match="is no host"):
        read_host(text)


@every(
    ("text", "kind", "path"),
    [
        ("/api/", PathKind.SEGMENTS, "/api"),
        ("/", PathKind.SEGMENTS, ""),
        ("/api/", PathKind.PREFIX, "/api/"),
        ("/", PathKind.EXACT, "/"),
        ("/*.p?p", PathKind.GLOB, "/*.p?p"),
        ("/caf%C3%A9", PathKind.SEGMENTS, "/caf%C3%A9"),
    ],
)
def test_paths(text, kind, path):
    assert read_path(text, kind) == path


@every(
    ("text", "kind"),
    [
        ("", PathKind.EXACT),
        ("a", PathKind.EXACT),
        ("/a?b", PathKind.EXACT),
        ("/a#b", PathKind.GLOB),
        ("/a b", PathKind.PREFIX),
        ("/a\nb", PathKind.PREFIX),
        ("/caf\u00e9", PathKind.SEGMENTS),
        ("/" + "a" * LONGEST_PATH, PathKind.SEGMENTS),
        ("/a//b", PathKind.SEGMENTS),
        ("/a/../b", PathKind.GLOB),
        ("/%61", PathKind.EXACT),
        ("/%zz", PathKind.EXACT),
    ],
)
def test_what_is_no_path(text, kind):
    with pytest.raises(ValueError, match=r"is no path|is not in normal form") as caught:
        read_path(text, kind)
    assert "\n" not in str(caught.value)


def test_methods_are_a_set():
    assert read_methods("POST,GET,POST") == ("GET", "POST")


@every("text", ["", "get", "GET,", "GET POST", "G\u00c9T"])
def test_what_is_no_method(text):
    with pytest.raises(ValueError, match="is no list of methods"):
        read_methods(text)


@every(
    ("name", "value"),
    [
        ("", "x"),
        ("X Y", "x"),
        ("X:", "x"),
        ("X\r\nY", "x"),
        ("1X", "x"),
        ("X", ""),
        ("X", " x"),
        ("X", "x\r\nY: z"),
        ("X", "x\0"),
        ("X", "\u00e9"),
        ("X", "a" * 1025),
    ],
)
def test_no_text_can_end_a_line_of_a_head(name, value):
    with pytest.raises(ValueError, match="of a header field"):
        read_field(name, value)


def test_a_match_counts_its_matchers():
    assert Match().matchers == 0
    assert (
        Match(
            methods=("GET",), headers=(("a", "b"),), queries=(("c", "d"), ("e", "f")), scheme="http"
        ).matchers
        == 5
    )


@every(
    ("match", "catches"),
    [
        (Match(), True),
        (Match(path="/", kind=PathKind.PREFIX), True),
        (Match(path="/", kind=PathKind.EXACT), False),
        (Match(host=Host("a")), False),
        (Match(path="/a"), False),
    ],
)
def test_a_match_without_host_and_path_catches_all(match, catches):
    assert match.catches_all is catches
    assert match.host in (ANY_HOST, Host("a"))


@every(
    ("one", "other", "overlap"),
    [
        (Match(methods=("GET",)), Match(methods=("POST",)), False),
        (Match(methods=("GET", "PUT")), Match(methods=("PUT",)), True),
        (Match(scheme="http"), Match(scheme="https"), False),
        (Match(headers=(("a", "1"),)), Match(headers=(("a", "2"),)), False),
        (Match(headers=(("a", "1"),)), Match(methods=("GET",)), True),
        (Match(queries=(("a", "1"),)), Match(queries=(("b", "1"),)), True),
    ],
)
def test_matchers_of_which_a_request_meets_both_overlap(one, other, overlap):
    assert one.overlaps(other) is other.overlaps(one) is overlap
