import pytest

from pylb.config.fixed_backends import EXPECTED, parse_static
from pylb.errors import UsageError
from tests.every import every


def test_a_list_of_backends():
    endpoints = parse_static("web", "10.0.0.1:80, [2001:db8::1]:8080 ,web.example:81;weight=3")
    assert [(e.address, e.port, e.weight) for e in endpoints] == [
        ("10.0.0.1", 80, 1),
        ("2001:db8::1", 8080, 1),
        ("web.example", 81, 3),
    ]
    assert {e.service for e in endpoints} == {"web"}
    assert len({e.key for e in endpoints}) == 3


def test_weight_zero_excludes_a_backend():
    assert parse_static("web", "a:80;weight=0")[0].weight == 0


def test_attributes_follow_the_port_in_any_order():
    first, second = parse_static("web", "a:80;zone=b;priority=2;weight=3,c:80")
    assert (first.zone, first.priority, first.weight) == ("b", 2, 3)
    assert (second.zone, second.priority, second.weight) == ("", 0, 1)


@every(
    ("text", "item"),
    [
        ("", ""),
        ("a:80,", ""),
        ("a", "a"),
        ("a:", "a:"),
        (":80", ":80"),
        ("a:eighty", "a:eighty"),
        ("a:0", "a:0"),
        ("a:65536", "a:65536"),
        ("a:²", "a:²"),
        ("a:80;weight=-1", "a:80;weight=-1"),
        ("a:80;weight=65536", "a:80;weight=65536"),
        ("a:80;weight", "a:80;weight"),
        ("a:80;wait=3", "a:80;wait=3"),
        ("a:80;", "a:80;"),
        ("a:80;priority=-1", "a:80;priority=-1"),
        ("a:80;priority=128", "a:80;priority=128"),
        ("a:80;zone=", "a:80;zone="),
        ("::1:80", "::1:80"),
        ("[a]:80", "[a]:80"),
        ("[::1:80", "[::1:80"),
        ("ok:80,http://a:80", "http://a:80"),
    ],
)
def test_a_malformed_item_is_named_in_one_line(text, item):
    with pytest.raises(UsageError) as caught:
        parse_static("web", text)
    words = str(caught.value)
    assert words.startswith(f"--static: got {item!r}, expected {EXPECTED} (")
    assert "\n" not in words


def test_a_repeated_backend_is_rejected():
    with pytest.raises(UsageError, match="--static: got a:80 twice, expected each backend once"):
        parse_static("web", "a:80,b:80,a:80;weight=2")
