from urllib.parse import unquote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pylb.clients.path import check_segment, encoded_path, encoded_text
from tests.every import every

BAD = [
    "",
    ".",
    "..",
    "../../leave",
    "a/../victim",
    "a/./b",
    "a//b",
    "/a",
    "a/",
    "a\nb",
    "a\x00",
    "a\x7f",
    "a\x85",
]


@every("segment", BAD)
def test_a_segment_that_could_change_the_path_is_rejected(segment):
    with pytest.raises(ValueError, match="cannot be part of a path"):
        check_segment(segment)
    with pytest.raises(ValueError, match="cannot be part of a path"):
        encoded_path("v1", segment)


@every(
    ("segment", "encoded"),
    [
        ("host:web-1:80", "host:web-1:80"),
        ("shop/web", "shop%2Fweb"),
        ("a?b#c", "a%3Fb%23c"),
        ("%2e%2e", "%252e%252e"),
        ("we bä", "we%20b%C3%A4"),
        ("..a", "..a"),
    ],
)
def test_other_characters_are_encoded(segment, encoded):
    assert encoded_path("v1", segment) == f"/v1/{encoded}"


@given(st.text())
def test_a_segment_stays_one_segment(segment):
    try:
        path = encoded_path("v1", segment, "end")
    except (ValueError, UnicodeEncodeError):
        assume(False)
    assert path.isascii()
    assert [unquote(part) for part in path.split("/")] == ["", "v1", segment, "end"]


@pytest.mark.parametrize("path", ["/v1/kv/../agent/leave", "/v1/kv/.", "/v1/kv/a\nb"])
def test_a_joined_path_must_not_have_dot_segments(path):
    with pytest.raises(ValueError, match="cannot be a path"):
        encoded_text(path)


def test_the_slashes_of_a_joined_path_are_kept():
    assert encoded_text("/v1/kv/we b/") == "/v1/kv/we%20b/"
