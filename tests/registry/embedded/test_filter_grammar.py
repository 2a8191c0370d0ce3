from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pylb.registry.embedded.filter_grammar import (
    Both,
    Either,
    FilterError,
    Match,
    Not,
    Operator,
    parse,
)

NAMES = st.from_regex(r"[a-zA-Z][a-zA-Z0-9_]{0,5}", fullmatch=True)
KEYS = st.text(st.characters(exclude_characters='"\\`', exclude_categories=["Cs", "Cc"]), max_size=5)
PATHS = st.lists(NAMES | KEYS, max_size=3).flatmap(lambda rest: NAMES.map(lambda first: (first, *rest)))
WORDS = {
    Operator.EQUAL: "==",
    Operator.NOT_EQUAL: "!=",
    Operator.IN: "contains",
    Operator.NOT_IN: "not contains",
    Operator.MATCHES: "matches",
    Operator.NOT_MATCHES: "not matches",
    Operator.IS_EMPTY: "is empty",
    Operator.IS_NOT_EMPTY: "is not empty",
}
WITHOUT_VALUE = {Operator.IS_EMPTY, Operator.IS_NOT_EMPTY}
MATCHES = st.builds(Match, PATHS, st.sampled_from(list(WORDS)), KEYS).map(
    lambda m: Match(m.selector, m.operator) if m.operator in WITHOUT_VALUE else m
)
EXPRESSIONS = st.recursive(
    MATCHES,
    lambda inner: st.builds(Not, inner) | st.builds(Both, inner, inner) | st.builds(Either, inner, inner),
    max_leaves=8,
)


def written(expression):
    """An expression as somebody would type it who trusts parentheses more than precedence."""
    match expression:
        case Match(path, operator, value):
            name = path[0] + "".join(f'["{part}"]' for part in path[1:])
            return f"{name} {WORDS[operator]}" + ("" if operator in WITHOUT_VALUE else f' "{value}"')
        case Not(operand):
            return f"not ({written(operand)})"
        case Both(left, right):
            return f"({written(left)}) and ({written(right)})"
        case Either(left, right):
            return f"({written(left)}) or ({written(right)})"


@given(EXPRESSIONS)
def test_what_is_written_is_read(expression):
    assert parse(written(expression)) == expression


@given(st.text(max_size=40) | st.text('abn.[]()"`=! \n0', max_size=20))
def test_any_text_is_an_expression_or_refused(text):
    with suppress(FilterError):
        assert parse(text)


def test_too_deep():
    with pytest.raises(FilterError, match="nested too deeply"):
        parse("not " * 100_000 + "a == 1")


A, B, C = (Match((name,), Operator.EQUAL, "1") for name in "abc")


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("a == 1 or b == 1 and c == 1", Either(A, Both(B, C))),
        ("a == 1 and b == 1 or c == 1", Either(Both(A, B), C)),
        ("(a == 1 or b == 1) and c == 1", Both(Either(A, B), C)),
        ("not a == 1 and b == 1", Both(Not(A), B)),
        ("not not a == 1", Not(Not(A))),
        ("a==1", A),
        ("1 in a.b", Match(("a", "b"), Operator.IN, "1")),
        ('"x y" not in a["k k"]', Match(("a", "k k"), Operator.NOT_IN, "x y")),
        ("in in not", Match(("not",), Operator.IN, "in")),
        ("not in a", Match(("a",), Operator.IN, "not")),
        ("a == -1.5", Match(("a",), Operator.EQUAL, "-1.5")),
        ('a == "\\u00e9\\n"', Match(("a",), Operator.EQUAL, "é\n")),
        ("a == `\\n`", Match(("a",), Operator.EQUAL, "\\n")),
    ],
)
def test_examples(text, expression):
    assert parse(text) == expression


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a = 1", "1:3 (2)"),
        ("a == 1 b", "1:8 (7)"),
        ("a ==", "1:5 (4)"),
        ("a == 1 and\n b", "2:3 (13)"),
        ('"é" in 1', "1:8 (8)"),
    ],
)
def test_the_place_of_a_mistake(text, place):
    with pytest.raises(FilterError) as refusal:
        parse(text)
    assert str(refusal.value).startswith(f"{place}: no match found, expected: ")
