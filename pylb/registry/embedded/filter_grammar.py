r"""The grammar of `filter=`: HashiCorp's boolean expressions (go-bexpr), as Consul 1.8 reads them.

    either   = both ["or" either]
    both     = negation ["and" both]
    negation = "not" negation | "(" either ")" | match
    match    = selector ("==" | "!=" | ["not"] "contains" | ["not"] "matches") value
             | selector "is" ["not"] "empty"
             | value ["not"] "in" selector
    selector = name {"." name | "[" string "]"}
    value    = selector | number | string

Words have white space around them; no word is reserved, so that `in in Service.Tags` asks for the tag "in".
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import Enum


class FilterError(Exception):
    """The expression cannot be used; the message says why."""


class Operator(Enum):
    """What a match asks of a field; go-bexpr's name for it, which appears in messages."""

    EQUAL = "Equal"
    NOT_EQUAL = "Not Equal"
    IN = "In"
    NOT_IN = "Not In"
    MATCHES = "Matches"
    NOT_MATCHES = "Not Matches"
    IS_EMPTY = "Is Empty"
    IS_NOT_EMPTY = "Is Not Empty"


@dataclass(frozen=True, slots=True)
class Match:
    """One question to one field."""

    selector: tuple[str, ...]
    operator: Operator
    value: str = ""


@dataclass(frozen=True, slots=True)
class Not:
    """True if its operand is not."""

    operand: Expression


@dataclass(frozen=True, slots=True)
class Both:
    """True if both operands are."""

    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Either:
    """True if one operand is, or both."""

    left: Expression
    right: Expression


Expression = Match | Not | Both | Either

_OPERATORS = {
    ("==",): Operator.EQUAL,
    ("!=",): Operator.NOT_EQUAL,
    ("contains",): Operator.IN,
    ("not", "contains"): Operator.NOT_IN,
    ("matches",): Operator.MATCHES,
    ("not", "matches"): Operator.NOT_MATCHES,
    ("is", "empty"): Operator.IS_EMPTY,
    ("is", "not", "empty"): Operator.IS_NOT_EMPTY,
    ("in",): Operator.IN,
    ("not", "in"): Operator.NOT_IN,
}
_NAME = r"[a-zA-Z][a-zA-Z0-9_]*"
_STRING = r'"[^"]*"|`[^`]*`'
_TOKEN = re.compile(
    rf"""(?P<space>[ \t\r\n]*)
    (?: (?P<selector>{_NAME}(?:\.{_NAME}|\[[ \t\r\n]*(?:{_STRING})[ \t\r\n]*\])*)
      | (?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?)(?=[ \t\r\n)]|\Z)
      | (?P<string>{_STRING})
      | (?P<symbol>==|!=|\(|\))
      | (?P<end>\Z) )""",
    re.VERBOSE,
)
_SELECTOR_PART = re.compile(rf"({_NAME})|({_STRING})")


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int
    spaced: bool
    """Whether white space stands before it."""


def parse(text: str) -> Expression:
    """The expression that `text` is.

    Raises:
        FilterError: it is none; the message names the place where it ceases to be one.
    """
    parser = _Parser(text)
    try:
        expression = parser.either()
    except RecursionError as error:
        raise FilterError("nested too deeply") from error
    if parser.token.kind != "end":
        raise parser.error('"and", "or" or the end')
    return expression


class _Parser:
    """A place in the text, which each rule moves behind what it has read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.token = self.token_at(0)

    def either(self) -> Expression:
        left = self.both()
        return Either(left, self.either()) if self.word("or") else left

    def both(self) -> Expression:
        left = self.negation()
        return Both(left, self.both()) if self.word("and") else left

    def negation(self) -> Expression:
        start = self.token
        if start.text == "not":
            self.advance()
            try:
                if self.token.spaced:
                    return Not(self.negation())
            except FilterError:
                pass  # then it is a field or a value of that name
            self.token = start
        if start.text != "(":
            return self.match()
        self.advance()
        expression = self.either()
        if self.token.text != ")":
            raise self.error('")"')
        self.advance()
        return expression

    def match(self) -> Match:
        left = self.token
        if left.kind not in ("selector", "number", "string"):
            raise self.error("a field or a value")
        self.advance()
        operator, last_word = self.operator()
        reads_value_first = last_word == "in"
        if left.kind != "selector" and not reads_value_first:
            raise self.error('"in" or "not in"')
        if last_word == "empty":
            return Match(_path(left), operator)
        right = self.token
        if right.kind not in (("selector",) if reads_value_first else ("selector", "number", "string")):
            raise self.error("a field" if reads_value_first else "a value")
        if last_word.isalpha() and not right.spaced:
            raise self.error("white space")
        self.advance()
        field, value = (right, left) if reads_value_first else (left, right)
        return Match(_path(field), operator, _unquote(value.text) if value.kind == "string" else value.text)

    def operator(self) -> tuple[Operator, str]:
        words: tuple[str, ...] = ()
        while any(known[: len(words)] == words for known in _OPERATORS):
            token = self.token
            words = (*words, token.text)
            if token.text.isalpha() and not token.spaced:
                break
            self.advance()
            if words in _OPERATORS:
                return _OPERATORS[words], words[-1]
        raise self.error("an operator")

    def word(self, word: str) -> bool:
        """Move behind a word with white space on both sides, if it is the next."""
        start = self.token
        if start.kind == "selector" and start.text == word and start.spaced:
            self.advance()
            if self.token.spaced:
                return True
            self.token = start
        return False

    def advance(self) -> None:
        self.token = self.token_at(self.token.start + len(self.token.text))

    def token_at(self, position: int) -> _Token:
        found = _TOKEN.match(self.text, position)
        if found is None or found.lastgroup is None:
            start = position + len(self.text[position:]) - len(self.text[position:].lstrip(" \t\r\n"))
            return _Token("unknown", "", start, start > position)
        return _Token(
            found.lastgroup, found[found.lastgroup], found.start(found.lastgroup), bool(found["space"])
        )

    def error(self, expected: str) -> FilterError:
        before = self.text[: self.token.start]
        line, column = before.count("\n") + 1, self.token.start - before.rfind("\n")
        place = f"{line}:{column} ({len(before.encode())})"
        return FilterError(f"{place}: no match found, expected: {expected}")


def _path(selector: _Token) -> tuple[str, ...]:
    return tuple(name or _unquote(quoted) for name, quoted in _SELECTOR_PART.findall(selector.text))


def _unquote(text: str) -> str:
    if text.startswith("`"):
        return text[1:-1]
    try:
        return str(json.loads(text))
    except ValueError as error:
        raise FilterError(f"invalid syntax: {text}") from error
