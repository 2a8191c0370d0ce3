"""Reads a rule of Traefik as clauses: `&&`, `||`, parentheses and matchers.

A matcher that pylb does not have blocks its clause, and the rest of the clause stays: the route takes at
least the requests that the rule matches, and answers them with 503. So no less specific route gets them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from pylb.routes.expression import compile_expression
from pylb.routes.match import (
    ANY_HOST,
    Host,
    Labels,
    Match,
    PathKind,
    read_field,
    read_host,
    read_methods,
    read_path,
)
from pylb.routes.quote import quoted

LONGEST_RULE = 2048
"""Characters of a rule."""

MOST_CLAUSES = 64
"""Clauses of a rule. Each `&&` of two `||` multiplies them."""

MOST_TOKENS = 400

_TOKEN = re.compile(
    r"""\s*(?:(?P<op>&&|\|\||[!(),])|(?P<name>[A-Za-z]+)|`(?P<raw>[^`]*)`|"(?P<text>(?:[^"\\]|\\.)*)")\s*"""
)
_ESCAPE = re.compile(r'\\(?:([\\"])|x([0-9A-Fa-f]{2})|(.))')


@dataclass(frozen=True, slots=True)
class Clause:
    """Conditions that must all be met."""

    match: Match
    blocked: str = ""
    """Why requests that meet them cannot be served; empty if they can."""


def read_rule(text: str) -> list[Clause]:
    """Return the clauses of a rule; empty if no request can meet it.

    Raises:
        ValueError: the rule is invalid; the message quotes what was not expected.
    """
    if len(text) > LONGEST_RULE:
        raise ValueError(f"a rule of {len(text)} characters, expected at most {LONGEST_RULE}")
    parser = _Parser(text)
    clauses = parser.alternatives()
    parser.end()
    return clauses


class _Parser:
    """A recursive descent over the tokens of a rule: `!` binds before `&&`, and `&&` before `||`."""

    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        self._at = 0
        place = 0
        while place < len(text):
            token = _TOKEN.match(text, place)
            if token is None or len(self._tokens) == MOST_TOKENS:
                raise ValueError(f"{quoted(text[place:])} was not expected in a rule")
            kind = token.lastgroup or ""
            value = token[kind]
            self._tokens.append(("text", _unescaped(value)) if kind == "text" else (kind, value))
            place = token.end()

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "the end")

    def _take(self, *values: str) -> str:
        kind, value = self._peek()
        if values and (kind != "op" or value not in values):
            raise ValueError(f"{quoted(value)} was not expected in a rule, but {values[0]}")
        self._at += 1
        return value

    def end(self) -> None:
        kind, value = self._peek()
        if kind != "end":
            raise ValueError(f"{quoted(value)} was not expected in a rule, but its end")

    def alternatives(self, depth: int = 0) -> list[Clause]:
        if depth > 16:
            raise ValueError("parentheses in a rule are nested too deeply")
        clauses = self._all(depth)
        while self._peek() == ("op", "||"):
            self._take()
            clauses = _bounded(clauses + self._all(depth))
        return clauses

    def _all(self, depth: int) -> list[Clause]:
        clauses = self._one(depth)
        while self._peek() == ("op", "&&"):
            self._take()
            others = self._one(depth)
            both = [merged for one in clauses for other in others if (merged := _both(one, other))]
            clauses = _bounded(both)
        return clauses

    def _one(self, depth: int) -> list[Clause]:
        kind, value = self._peek()
        if (kind, value) == ("op", "!"):
            self._take()
            return [_negated(self._one(depth + 1))]
        if (kind, value) == ("op", "("):
            self._take()
            clauses = self.alternatives(depth + 1)
            self._take(")")
            return clauses
        if kind != "name":
            raise ValueError(f"{quoted(value)} was not expected in a rule, but a matcher such as Host")
        self._take()
        return _matcher(value, self._arguments())

    def _arguments(self) -> list[str]:
        self._take("(")
        arguments: list[str] = []
        while self._peek() != ("op", ")"):
            if arguments:
                self._take(",")
            kind, value = self._peek()
            if kind not in {"raw", "text"}:
                raise ValueError(f'{quoted(value)} was not expected in a rule, but a text in ` or "')
            arguments.append(self._take())
        self._take(")")
        return arguments


def _negated(clauses: list[Clause]) -> Clause:
    """Return the clause that is met if none of these is. What a blocked one excludes is not known."""
    blocked = next((clause.blocked for clause in clauses if clause.blocked), "")
    return Clause(Match() if blocked else Match(excludes=tuple(c.match for c in clauses)), blocked)


def _unescaped(text: str) -> str:
    def character(escape: re.Match[str]) -> str:
        if escape[3]:
            raise ValueError(f"{quoted(escape[0])} is no escape in a rule")
        return escape[1] or chr(int(escape[2], 16))

    return _ESCAPE.sub(character, text)


def _bounded(clauses: list[Clause]) -> list[Clause]:
    if len(clauses) > MOST_CLAUSES:
        raise ValueError(f"a rule of more than {MOST_CLAUSES} alternatives")
    return clauses


def _matcher(written: str, arguments: list[str]) -> list[Clause]:
    """Return the clauses of one matcher. Traefik accepts a name as documented, and in one case throughout."""
    names = {name: name for name in (*_MATCHERS, *_EXPRESSIONS, *_MISSING)}
    names |= {other: name for name in list(names) for other in (name.lower(), name.upper(), name.title())}
    name = names.get(written)
    if name is None:
        raise ValueError(f"{quoted(written)} is no matcher, expected one of {', '.join(_MATCHERS)}")
    if not arguments or not all(arguments):
        raise ValueError(f"{written} without a value")
    if name in _EXPRESSIONS:
        return [_by_expression(name, arguments)]
    if name in _MISSING:
        return [Clause(Match(), f"{name} is not implemented")]
    counts, read = _MATCHERS[name]
    if len(arguments) in counts:
        return [Clause(read(*arguments))]
    if 1 in counts:  # Several values are the syntax of Traefik 2.
        reason = f"{name} with {len(arguments)} values, expected one (v3)"
        return [Clause(read(argument), reason) for argument in arguments]
    raise ValueError(f"{name} with {len(arguments)} values, expected {counts[0]}")


def _by_expression(name: str, arguments: list[str]) -> Clause:
    """Return the clause of an expression. One that is refused blocks what the rest of its clause matches."""
    try:
        if len(arguments) != 1 or _PLACEHOLDER.search(arguments[0]):
            raise ValueError(
                "has the syntax of Traefik 2, expected one expression such as ^[a-z0-9-]+\\.a\\.example$"
            )
        expression = compile_expression(arguments[0])
    except ValueError as error:
        return Clause(Match(), f"{name}: {error}")
    match = Match(patterns=((_EXPRESSIONS[name], arguments[0]),))
    # The table finds a route by host and path, and --catalog-allow bounds them.
    with suppress(ValueError):
        if name == "PathRegexp":
            match = replace(match, path=read_path(expression.prefix, PathKind.PREFIX), kind=PathKind.PREFIX)
        elif below := expression.suffix.partition(".")[2]:
            match = replace(match, host=read_host(f"*.{below}"))
    return Clause(match)


def _host(name: str) -> Match:
    if ":" in name and not name.startswith("["):
        raise ValueError(f"Host with the port in {quoted(name)}, which no request matches in Traefik")
    return Match(host=ANY_HOST if name == "*" else read_host(name, Labels.ONE))


_MATCHERS: dict[str, tuple[tuple[int, ...], Callable[..., Match]]] = {
    "Host": ((1,), _host),
    "PathPrefix": ((1,), lambda path: Match(path=read_path(path, PathKind.PREFIX), kind=PathKind.PREFIX)),
    "Path": ((1,), lambda path: Match(path=read_path(path, PathKind.EXACT), kind=PathKind.EXACT)),
    "Method": ((1,), lambda method: Match(methods=read_methods(method.upper()))),
    "Header": ((2,), lambda name, value: Match(headers=((read_field(name, value)[0].lower(), value),))),
    "Query": ((1, 2), lambda name, value="": Match(queries=((name, value),))),
}

_EXPRESSIONS = {"HostRegexp": "host", "PathRegexp": "path"}
"""Matchers by an expression, and what each compares."""

_PLACEHOLDER = re.compile(r"\{[A-Za-z]\w*(?::|\})")
"""A named part of Traefik 2: `{subdomain:.+}`. In Traefik 3 no request matches it."""

_MISSING = ("HeaderRegexp", "QueryRegexp", "ClientIP")
"""Matchers that pylb does not have."""


def _both(one: Clause, other: Clause) -> Clause | None:
    """Return the clause that requires both; None if no request meets both."""
    match = intersection(one.match, other.match)
    return None if match is None else Clause(match, one.blocked or other.blocked)


def intersection(one: Match, other: Match) -> Match | None:
    """Return a match that requires both; None if no request meets both."""
    host = _hosts(one.host, other.host)
    path = _paths(one, other)
    methods = tuple(m for m in one.methods if m in other.methods) if one.methods and other.methods else ()
    if host is None or path is None or (one.methods and other.methods and not methods):
        return None
    if one.scheme and other.scheme and one.scheme != other.scheme:
        return None
    return replace(
        one,
        host=host,
        path=path.path,
        kind=path.kind,
        methods=methods or one.methods or other.methods,
        headers=tuple(dict.fromkeys(one.headers + other.headers)),
        queries=tuple(dict.fromkeys(one.queries + other.queries)),
        patterns=tuple(dict.fromkeys(one.patterns + other.patterns)),
        scheme=one.scheme or other.scheme,
        excludes=one.excludes + other.excludes,
    )


def _within(narrow: Host, wide: Host) -> bool:
    """Whether each host of a pattern is one of another pattern. Otherwise they have none in common."""
    if wide.labels is Labels.ONE:
        return narrow.labels is Labels.NONE and narrow.name.partition(".")[2] == wide.name
    same = narrow.name == wide.name and narrow.labels is not Labels.NONE
    return wide.labels is Labels.ANY and (same or narrow.name.endswith(f".{wide.name}"))


def _hosts(one: Host, other: Host) -> Host | None:
    if other in (one, ANY_HOST):
        return one
    if one == ANY_HOST:
        return other
    for narrow, wide in ((one, other), (other, one)):
        if _within(narrow, wide):
            return narrow
    return None


def _paths(one: Match, other: Match) -> Match | None:
    """Return the match with the narrower path."""
    if not other.path:
        return one
    if not one.path:
        return other
    for narrow, wide in ((one, other), (other, one)):
        same = narrow.kind is wide.kind and narrow.path == wide.path
        if same or (wide.kind is PathKind.PREFIX and narrow.path.startswith(wide.path)):
            return narrow
    return None
