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


PARTS = st.sampled_from(["/", ".", "..", "a", "%2e", "%2E", "%2f", "%61", "%25", "%5f", "~", ";", "*"])


@given(st.lists(PARTS, max_size=12).map("".join))
def test_the_normal_form_of_a_normal_form_is_itself(tail):
    once = normalise(f"/{tail}".encode())
    assert normalise(once) == once
    assert not {b".", b"..", b""} & set(once.split(b"/")[1:-1])
    assert once.split(b"/")[-1] not in (b".", b"..")
