from hypothesis import given
from hypothesis import strategies as st

from pylb.printable import printable
from tests.every import every


@every(
    ("text", "shown"),
    [
        ("web-1 up", "web-1 up"),
        ("caf\u00e9 \u6771\u4eac", "caf\u00e9 \u6771\u4eac"),
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("\x1b]0;pwned\x07", r"\x1b]0;pwned\x07"),
        ("\x7f\x85\x9b2J", r"\x7f\x85\x9b2J"),
        ("a\u2028b\u2029", r"a\u2028b\u2029"),
        ("\u202eevil\u2066", r"\u202eevil\u2066"),
        ("a\u00a0b\u3000", r"a\xa0b\u3000"),
        ("\ud800", r"\ud800"),
        ("\U000e0001", r"\U000e0001"),
    ],
)
def test_invisible_characters_are_escaped(text, shown):
    assert printable(text) == shown


@given(st.text(st.characters()))
def test_any_text_becomes_one_visible_line(text):
    shown = printable(text)
    assert shown.isprintable()
    assert len(shown.splitlines()) <= 1
    assert printable(shown) == shown
