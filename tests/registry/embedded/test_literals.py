import pytest
from hypothesis import given
from hypothesis import strategies as st

from pylb.registry.embedded.literals import (
    MAX_DURATION,
    LiteralError,
    parse_bool,
    parse_duration,
    parse_uint,
)
from tests.every import every


@every(
    ("text", "seconds"),
    [
        ("0", 0),
        ("0s", 0),
        ("5s", 5),
        ("300ms", 0.3),
        ("1h15m30.5s", 4530.5),
        ("-1.5h", -5400),
        ("+1m", 60),
        (".5s", 0.5),
        ("1.s", 1),
        ("10us", 1e-5),
        ("10µs", 1e-5),
        ("7ns", 7e-9),
    ],
)
def test_durations(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds)


@every(
    ("text", "problem"),
    [
        ("", "invalid"),
        ("x", "invalid"),
        ("-", "invalid"),
        ("s", "invalid"),
        ("--1s", "invalid"),
        ("5", "missing unit in"),
        ("1s2", "missing unit in"),
        ("1 s", 'unknown unit " s" in'),
        ("300000000h", "invalid"),
        ("1d", 'unknown unit "d" in'),
    ],
)
def test_invalid_durations(text, problem):
    with pytest.raises(LiteralError) as rejection:
        parse_duration(text)
    assert str(rejection.value) == f'time: {problem} duration "{text}"'


@given(st.text("0123456789.hmsnuµ-+ ", max_size=10))
def test_any_text_is_a_duration_or_rejected(text):
    try:
        seconds = parse_duration(text)
    except LiteralError as error:
        reason = str(error)
        assert reason.endswith(f'duration "{text}"')
    else:
        assert abs(seconds) <= MAX_DURATION


@pytest.mark.parametrize(
    ("parse", "text", "number"),
    [
        (parse_uint, "0", 0),
        (parse_uint, "0007", 7),
        (parse_uint, "18446744073709551615", 2**64 - 1),
    ],
)
def test_numbers(parse, text, number):
    assert parse(text) == number


@every(
    ("parse", "text", "problem"),
    [
        (parse_uint, "", 'ParseUint: parsing "": invalid syntax'),
        (parse_uint, "-1", 'ParseUint: parsing "-1": invalid syntax'),
        (parse_uint, "\u0661", 'ParseUint: parsing "\u0661": invalid syntax'),
        (parse_uint, "18446744073709551616", 'ParseUint: parsing "18446744073709551616": value out of range'),
        (parse_uint, "9" * 5000, f'ParseUint: parsing "{"9" * 5000}": value out of range'),
        (parse_bool, "yes", 'ParseBool: parsing "yes": invalid syntax'),
        (parse_bool, "", 'ParseBool: parsing "": invalid syntax'),
    ],
)
def test_invalid_literals(parse, text, problem):
    with pytest.raises(LiteralError) as rejection:
        parse(text)
    assert str(rejection.value) == f"strconv.{problem}"


def test_booleans():
    assert all(parse_bool(text) for text in ("1", "t", "T", "TRUE", "true", "True"))
    assert not any(parse_bool(text) for text in ("0", "f", "F", "FALSE", "false", "False"))
