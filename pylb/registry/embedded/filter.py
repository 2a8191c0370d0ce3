"""`filter=`: which of an answer's entries a client wants to see.

An expression is checked against the fields that the entries have before it is asked of any. A field of a list
of objects (`Checks.Status`) stands for each of the list's members: a match holds if it does for one of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pylb.registry.embedded.filter_grammar import (
    Both,
    Either,
    Expression,
    FilterError,
    Match,
    Not,
    Operator,
    parse,
)
from pylb.registry.embedded.literals import LiteralError, parse_bool, parse_int

Predicate = Callable[[Any], bool]

_NEGATIVE = {
    Operator.NOT_EQUAL: Operator.EQUAL,
    Operator.NOT_IN: Operator.IN,
    Operator.NOT_MATCHES: Operator.MATCHES,
    Operator.IS_NOT_EMPTY: Operator.IS_EMPTY,
}
_HOLDS_FOR_MISSING_KEY = (*_NEGATIVE, Operator.MATCHES)
"""go-bexpr forgot `matches` among those that a map without the key does not fulfil."""

_EQUALITY = (Operator.EQUAL, Operator.NOT_EQUAL)
_MEMBERSHIP = (Operator.IN, Operator.NOT_IN)
_PATTERN = (Operator.MATCHES, Operator.NOT_MATCHES)
_EMPTINESS = (Operator.IS_EMPTY, Operator.IS_NOT_EMPTY)


@dataclass(frozen=True, slots=True)
class Type:
    """What a field may hold, and what may be asked of it."""

    operators: tuple[Operator, ...] = ()
    empty: Any = None
    """What a field that an entry lacks counts as."""
    fields: Mapping[str, Type] = field(default_factory=dict)
    """Of an object."""
    items: Type | None = None
    """Of a list of objects, what each is."""
    values: Type | None = None
    """Of a map with free keys, what each value is."""


STRING = Type((*_EQUALITY, *_MEMBERSHIP, *_PATTERN), "")
INTEGER = Type(_EQUALITY, 0)
BOOLEAN = Type(_EQUALITY, False)
STRINGS = Type((*_MEMBERSHIP, *_EMPTINESS), ())


def structure(**fields: Type) -> Type:
    """An object with these fields."""
    return Type(fields=fields, empty={})


def list_of(items: Type) -> Type:
    """A list of objects."""
    return Type(_EMPTINESS, (), items=items)


def map_of(values: Type) -> Type:
    """A map with free keys."""
    return Type((*_MEMBERSHIP, *_EMPTINESS), {}, values=values)


def compile_filter(text: str, entry: Type) -> Predicate:
    """The question that `text` asks of an entry; an empty text lets all pass.

    Args:
        text: the expression.
        entry: what the entries are.

    Raises:
        FilterError: the expression is malformed, or asks for what entries do not have.
    """
    if not text:
        return lambda _entry: True
    return _compile(parse(text), entry)


def _compile(expression: Expression, entry: Type) -> Predicate:
    match expression:
        case Not(operand):
            inner = _compile(operand, entry)
            return lambda value: not inner(value)
        case Both(left, right):
            first, second = _compile(left, entry), _compile(right, entry)
            return lambda value: first(value) and second(value)
        case Either(left, right):
            first, second = _compile(left, entry), _compile(right, entry)
            return lambda value: first(value) or second(value)
        case Match():
            return _compile_match(expression, entry)


def _compile_match(match: Match, entry: Type) -> Predicate:
    asked = _resolve(match.selector, entry)
    if match.operator not in asked.operators:
        name = ".".join(match.selector)
        raise FilterError(f'Invalid match operator "{match.operator.value}" for selector "{name}"')
    test = _test(match, asked)

    def follow(value: Any, kind: Type, path: tuple[str, ...]) -> bool:
        if kind.items and path:
            return any(follow(item, kind.items, path) for item in value or ())
        if not path:
            return test(kind.empty if value is None else value)
        name, *rest = path
        if kind.values:
            if name not in (value or ()):
                return match.operator in _HOLDS_FOR_MISSING_KEY
            return follow(value[name], kind.values, tuple(rest))
        return follow((value or {}).get(name), kind.fields[name], tuple(rest))

    return lambda value: follow(value, entry, match.selector)


def _resolve(selector: tuple[str, ...], entry: Type) -> Type:
    kind = entry
    for depth, name in enumerate(selector, 1):
        kind = kind.items or kind
        found = kind.values or kind.fields.get(name)
        if found is None:
            raise FilterError(f'Selector "{".".join(selector[:depth])}" is not valid')
        kind = found
    return kind


def _test(match: Match, kind: Type) -> Predicate:
    positive = _NEGATIVE.get(match.operator)
    if positive:
        test = _test(Match(match.selector, positive, match.value), kind)
        return lambda value: not test(value)
    match match.operator:
        case Operator.IS_EMPTY:
            return lambda value: not value
        case Operator.MATCHES:
            try:
                pattern = re.compile(match.value)
            except re.error as error:
                raise FilterError(f'Failed to compile regular expression "{match.value}": {error}') from error
            return lambda value: bool(pattern.search(value))
        case Operator.IN:
            return lambda value: match.value in value
        case _:
            wanted = _coerce(match, kind)
            return lambda value: bool(value == wanted)


def _coerce(match: Match, kind: Type) -> Any:
    """The value of a comparison as what the field holds."""
    try:
        if kind is INTEGER:
            return parse_int(match.value)
        if kind is BOOLEAN:
            return parse_bool(match.value)
    except LiteralError as error:
        name = ".".join(match.selector)
        problem = f'Failed to coerce value "{match.value}" for selector "{name}": {error}'
        raise FilterError(problem) from error
    return match.value
