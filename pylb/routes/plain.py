"""Declarations as plain values (dicts, lists, text, numbers), which JSON can carry, and back.

Fields that have their default are omitted: most routes have few others. Nothing is checked here, because both
processes are of one program, and the source of the declaration has checked it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import partial
from typing import Any, TypeVar

from pylb.routes.actions import Actions, FieldAction, Redirect, Response, Verb
from pylb.routes.declaration import ServiceDeclaration
from pylb.routes.match import Host, Labels, Match, PathKind
from pylb.routes.route import Route, Share

T = TypeVar("T")

Reader = Callable[[Any], Any]
"""Returns the value of a field, given its plain value."""


def to_plain(value: Any) -> Any:
    """Return a declaration, or a part of it, as a plain value."""
    if is_dataclass(value):
        present = ((field, getattr(value, field.name)) for field in fields(value))
        return {field.name: to_plain(given) for field, given in present if given != field.default}
    if isinstance(value, tuple):
        return [to_plain(each) for each in value]
    return value.value if isinstance(value, Enum) else value


def declaration_of(data: Mapping[str, Any]) -> ServiceDeclaration:
    """Return the declaration whose plain value this is."""
    return _made(ServiceDeclaration, _DECLARATION, data)


def _made(kind: Callable[..., T], readers: Mapping[str, Reader], data: Mapping[str, Any]) -> T:
    return kind(**{
        name: readers[name](value) if name in readers else value for name, value in data.items()
    })  # fmt: skip


def _each(reader: Reader) -> Reader:
    return lambda values: tuple(map(reader, values))


_pairs = _each(tuple)

_HOST = {"labels": Labels}
_MATCH: dict[str, Reader] = {
    "host": partial(_made, Host, _HOST),
    "kind": PathKind,
    "methods": tuple,
    "headers": _pairs,
    "queries": _pairs,
    "patterns": _pairs,
    "excludes": _each(lambda data: _made(Match, _MATCH, data)),
}
_fields = _each(partial(_made, FieldAction, {"verb": Verb}))
_ACTIONS: dict[str, Reader] = {
    "allow": tuple,
    "deny": tuple,
    "strip": tuple,
    "rewrite": tuple,
    "replace": tuple,
    "fields": _fields,
    "response_fields": _fields,
    "redirect": partial(_made, Redirect, {}),
    "respond": partial(_made, Response, {}),
}
_ROUTE: dict[str, Reader] = {
    "match": partial(_made, Match, _MATCH),
    "actions": partial(_made, Actions, _ACTIONS),
    "share": partial(_made, Share, {}),
    "settings": _pairs,
}
_DECLARATION: dict[str, Reader] = {
    "routes": _each(partial(_made, Route, _ROUTE)),
    "settings": _pairs,
    "order": tuple,
    "origins": tuple,
}
