from pylb.tools.terminal.words import duration, number, plain
from tests.every import every


@every(
    ("value", "text"), [(None, "–"), (0, "0"), (1.0, "1"), (2.34, "2.3"), (12.9, "13"), (12345.6, "12,346")]
)
def test_a_number_has_about_three_digits(value, text):
    assert number(value) == text


@every(
    ("value", "text"),
    [(None, "–"), (0.000214, "214 µs"), (0.0042, "4.2 ms"), (0.175, "175 ms"), (2.34, "2.3 s"), (75, "75 s")],
)
def test_a_duration_has_a_suitable_unit(value, text):
    assert duration(value) == text


def test_foreign_text_is_not_markup():
    shown = plain("[red]a\x1b[2J\nb[/]", "dim")
    assert (shown.plain, shown.style, shown.spans) == (r"[red]a\x1b[2J\nb[/]", "dim", [])
