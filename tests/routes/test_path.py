import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pylb.routes.path import normalise
from tests.every import every


@every(
    ("path", "normal"),
    [
        ("/", "/"),
        ("*", "*"),
        ("/a/b", "/a/b"),
        ("/a/b/", "/a/b/"),
        ("//a///b", "/a/b"),
        ("//", "/"),
        ("/a/./b", "/a/b"),
        ("/a/.", "/a/"),
        ("/.", "/"),
        ("/a/../b", "/b"),
        ("/a/..", "/"),
        ("/../../x", "/x"),
        ("/a/b/..", "/a/"),
        ("/.well-known/x", "/.well-known/x"),
        ("/a..b/...", "/a..b/..."),
        ("/%61pi", "/api"),
        ("/%7Euser%5F%2d", "/~user_-"),
        ("/a%2Fb", "/a%2Fb"),
        ("/a%2fb%20c", "/a%2fb%20c"),
        ("/api%2e%2e/admin", "/api../admin"),
        ("/a/%2e%2E/b", "/b"),
        ("/%252e%252e/x", "/%252e%252e/x"),
        ("/a;x=1/../b", "/b"),
        ("/caf\xe9", "/caf\xe9"),
    ],
)
def test_normal_form(path, normal):
    assert normalise(path.encode("latin-1")) == normal.encode("latin-1")


@every("path", ["/%", "/a%2", "/%zz", "/%%32e", "/100%"])
def test_an_escape_that_servers_read_differently_is_refused(path):
    with pytest.raises(ValueError, match="two hexadecimal digits"):
        normalise(path.encode())


@every(
    "path",
    [
        *("/x/..%2Fadmin", "/x/..%2fadmin", "/x%2F../admin", "/x%2f..", "/x/..%5cadmin", "/x%5C..%5Cadmin"),
        *("/x/%2e%2e%2fadmin", "/x%2F%2E%2E%2Fadmin", "/x/.%2Fadmin", "/x/%2e%2Fadmin", "/x%2F./admin"),
        *("/x/..;/admin", "/x/..;a=b/admin", "/x%2F..;/admin", "/x/..\\admin", "/x\\../admin", "/x\\.."),
    ],
)
def test_a_dot_segment_that_only_some_servers_see_is_refused(path):
    with pytest.raises(ValueError, match="dot segment beside"):
        normalise(path.encode())


@every(
    "path",
    ["/a%2F..b", "/a..%2Fb", "/a%2F...%2Fb", "/.a%2Fb", "/a;..", "/a;/b", "/a%5Cb", "/a\\b", "/%252F..%252F"],
)
def test_escaped_slashes_without_a_dot_segment_are_kept(path):
    assert normalise(path.encode()) == path.encode()


PARTS = st.sampled_from(
    ["/", ".", "..", "a", "%2e", "%2E", "%2f", "%61", "%25", "%5f", "%5C", "\\", "~", ";", "*"]
)


@given(st.lists(PARTS, max_size=12).map("".join))
def test_the_normal_form_of_a_normal_form_is_itself(tail):
    path = f"/{tail}".encode()
    try:
        once = normalise(path)
    except ValueError:
        assert dot_segments(path, rb"/|\\|%2[Ff]|%5[Cc]", b";") > dot_segments(path, rb"/", None)
        return
    assert normalise(once) == once
    assert not {b".", b"..", b""} & set(once.split(b"/")[1:-1])
    assert once.split(b"/")[-1] not in (b".", b"..")
    assert dot_segments(once, rb"/|\\|%2[Ff]|%5[Cc]", b";") == 0


def dot_segments(path, separator, parameters):
    """How many dot segments a server counts."""
    segments = re.split(separator, re.sub(rb"(?i:%2e)", b".", path))
    names = [segment.partition(parameters)[0] if parameters else segment for segment in segments]
    return sum(name in (b".", b"..") for name in names)
