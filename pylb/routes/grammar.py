"""The grammar of routes: `[HOST][/PATH] [key=value ...]`, with the quoting of a shell.

A word is a key if `=` stands in it before any slash, so `/a=b` is a path. Keys of lists may be repeated.
Every error is one line: what was given, and what is expected. `text` writes what this file reads.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pylb.routes.actions import (
    NO_ACTIONS,
    Verb,
    read_field_action,
    read_networks,
    read_redirect,
    read_response,
    read_upstream_host,
)
from pylb.routes.match import (
    ANY_HOST,
    LONGEST_VALUE,
    PathKind,
    read_field,
    read_host,
    read_methods,
    read_path,
)
from pylb.routes.route import ANYTHING, Route, Share

EXPECTED = "expected NAME, NAME=/PATH, NAME=HOST or NAME=HOST/PATH, and key=value after a space"

LONGEST_ROUTE = 4096
"""Characters of a route's text."""

MOST_WORDS = 64
"""Keys of a route."""

_SERVICE = re.compile(r"[^\s/=]+")
_SETTING = re.compile(r"[a-z][a-z0-9-]{0,63}")
_WEIGHT = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,6})?")
_COOKIE = re.compile(r"cookie:[0-9A-Za-z!#$%&'*+.^_`|~-]{1,128}")


def parse_service(text: str, source: str = "") -> Route:
    """Read a route with the name of its service, as `--service` has it: `api=/api strip=/api`.

    Args:
        text: the value of the option.
        source: where it was given.

    Raises:
        ValueError: it is invalid; the message is one line that quotes it.
    """
    words = split(text)
    service, equals, place = words[0].partition("=") if words else ("", "", "")
    if not _SERVICE.fullmatch(service):
        raise ValueError(f"{text!r} does not start with the name of a service, {EXPECTED}")
    if equals and not place:
        raise ValueError(f"{text!r} ends where a host or path should be, {EXPECTED}")
    if place and _is_key(place):
        raise ValueError(f"{text!r} has {place!r} where a host or path should be, {EXPECTED}")
    return _read(text, service, place, words[1:], source)


def parse_route(service: str, text: str, source: str = "") -> Route:
    """Read a route of a service: `shop.example.com/cart strip=/cart`.

    Args:
        service: the service that receives the requests.
        text: host and path, and the keys; empty for all requests.
        source: where it was declared.

    Raises:
        ValueError: it is invalid; the message is one line that quotes it.
    """
    words = split(text)
    place = words.pop(0) if words and not _is_key(words[0]) else ""
    return _read(text, service, place, words, source)


def split(text: str) -> list[str]:
    """Split a text into words as a shell does.

    Raises:
        ValueError: a quote is open, or the text is too long or has control characters.
    """
    if len(text) > LONGEST_ROUTE:
        raise ValueError(f"a route of {len(text)} characters, expected at most {LONGEST_ROUTE}")
    if not text.isprintable():
        raise ValueError(f"{text!r} has characters that cannot be printed, expected none")
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ValueError(f"{text!r} has {str(error).lower()}, expected quotes in pairs") from None
    if len(words) > MOST_WORDS:
        raise ValueError(f"a route of {len(words)} words, expected at most {MOST_WORDS}")
    return words


def _is_key(word: str) -> bool:
    return "=" in word.partition("/")[0] or word.partition(":")[0] in _REMOVE


def _read(text: str, service: str, place: str, words: list[str], source: str) -> Route:
    """Read the parts of a route."""
    builder = _Builder(Route(service, source=source))
    try:
        builder.place(place, [word.removeprefix("path=") for word in words if word.startswith("path=")])
        for word in words:
            builder.word(word)
    except ValueError as error:
        raise ValueError(f"{text!r}: {error}") from None
    return builder.route


class _Builder:
    """A route while its words are read."""

    def __init__(self, route: Route) -> None:
        self.route = route
        self._seen: set[str] = set()
        self._by = ""

    def place(self, text: str, kinds: list[str]) -> None:
        """Read host and path; how the path is compared depends on the key `path`."""
        host, slash, path = text.partition("/")
        names = [kind.value for kind in PathKind]
        unknown = [name for name in kinds if name not in names]
        if unknown:
            raise ValueError(f"path={unknown[0]!r}, expected one of {', '.join(names)}")
        if kinds and not slash:
            raise ValueError(f"path={kinds[0]} without a path, expected one before it")
        kind = PathKind(kinds[0]) if kinds else PathKind.SEGMENTS
        self.route = replace(
            self.route,
            match=replace(
                ANYTHING,
                host=read_host(host) if host else ANY_HOST,
                path=read_path(slash + path, kind) if slash else "",
                kind=kind if slash else PathKind.SEGMENTS,
            ),
            actions=replace(NO_ACTIONS, by_characters=kind in {PathKind.PREFIX, PathKind.GLOB}),
        )

    def word(self, word: str) -> None:
        """Read one word, a key with its value."""
        key, equals, value = word.partition("=")
        family, colon, name = key.partition(":")
        if colon and family in _REMOVE and not equals:
            self.field(Verb.REMOVE, name, None, response=family != "remove")
            return
        if not equals:
            raise ValueError(f"got {word!r}, expected key=value")
        if colon and family in _NAMED:
            _NAMED[family](self, name, value)
            return
        if key in self._seen and key not in _REPEATABLE:
            raise ValueError(f"{key} twice, expected it once")
        self._seen.add(key)
        if key in _KEYS:
            _KEYS[key](self, value)
        elif not _SETTING.fullmatch(key):
            raise ValueError(f"got {word!r}, expected the name of a key such as strip, or of an option")
        elif not value or len(value) > LONGEST_VALUE:
            raise ValueError(f"{key} without a value, expected {key}=VALUE")
        else:
            self.route = replace(self.route, settings=(*self.route.settings, (key, value)))

    def matches(self, **changes: Any) -> None:
        """Change the match."""
        self.route = replace(self.route, match=replace(self.route.match, **changes))

    def acts(self, **changes: Any) -> None:
        """Change the actions."""
        self.route = replace(self.route, actions=replace(self.route.actions, **changes))
        if self.route.actions.redirect and self.route.actions.respond:
            raise ValueError("redirect and respond, expected one of them")

    def header(self, name: str, value: str) -> None:
        """Read `header:NAME=VALUE`."""
        name, value = read_field(name, value)
        self.matches(headers=(*self.route.match.headers, (name.lower(), value)))

    def query(self, name: str, value: str) -> None:
        """Read `query:NAME=VALUE`."""
        if not name or not (name + value).isascii():
            raise ValueError(f"query:{name}={value}, expected an ASCII name and value")
        self.matches(queries=(*self.route.match.queries, (name, value)))

    def field(self, verb: Verb, name: str, value: str | None, *, response: bool) -> None:
        """Read a change to a header field."""
        which = "response_fields" if response else "fields"
        action = read_field_action(verb, name, value, response=response)
        self.acts(**{which: (*getattr(self.route.actions, which), action)})

    def scheme(self, value: str) -> None:
        """Read `scheme=`."""
        if value not in {"http", "https"}:
            raise ValueError(f"scheme={value!r}, expected http or https")
        self.matches(scheme=value)

    def strip(self, value: str) -> None:
        """Read `strip=`."""
        self.acts(strip=(*self.route.actions.strip, _below_root("strip", value)))

    def rewrite(self, value: str) -> None:
        """Read `rewrite=/a->/b`."""
        old, arrow, new = value.partition("->")
        if not arrow:
            raise ValueError(f"rewrite={value!r}, expected two paths such as /a->/b")
        self.acts(rewrite=(_below_root("rewrite", old), read_path(new)))

    def weight(self, value: str) -> None:
        """Read `weight=`."""
        if not _WEIGHT.fullmatch(value):
            raise ValueError(f"weight={value!r}, expected a number such as 20")
        self.route = replace(self.route, share=Share(float(value), self._by))

    def weight_by(self, value: str) -> None:
        """Read `weight-by=`."""
        if value != "client" and not _COOKIE.fullmatch(value):
            raise ValueError(f"weight-by={value!r}, expected client or cookie:NAME")
        self._by = value
        weight = self.route.share.weight if self.route.share else 1.0
        self.route = replace(self.route, share=Share(weight, value))


def _below_root(key: str, value: str) -> str:
    path = read_path(value)
    if not path:
        raise ValueError(f"{key}={value!r}, expected a path such as /api")
    return path


_KEYS: dict[str, Callable[[_Builder, str], None]] = {
    "path": lambda builder, value: None,  # Read with the place.  # noqa: ARG005
    "method": lambda builder, value: builder.matches(methods=read_methods(value)),
    "scheme": _Builder.scheme,
    "allow": lambda builder, value: builder.acts(allow=(*builder.route.actions.allow, *read_networks(value))),
    "deny": lambda builder, value: builder.acts(deny=(*builder.route.actions.deny, *read_networks(value))),
    "strip": _Builder.strip,
    "rewrite": _Builder.rewrite,
    "prepend": lambda builder, value: builder.acts(prepend=_below_root("prepend", value)),
    "host": lambda builder, value: builder.acts(host=read_upstream_host(value)),
    "redirect": lambda builder, value: builder.acts(redirect=read_redirect(value)),
    "respond": lambda builder, value: builder.acts(respond=read_response(value)),
    "weight": _Builder.weight,
    "weight-by": _Builder.weight_by,
}

_REPEATABLE = frozenset(["allow", "deny", "strip"])

_REMOVE = frozenset(["remove", "response-remove"])

_NAMED: dict[str, Callable[[_Builder, str, str], None]] = {
    "header": _Builder.header,
    "query": _Builder.query,
    "set": lambda builder, name, value: builder.field(Verb.SET, name, value, response=False),
    "add": lambda builder, name, value: builder.field(Verb.ADD, name, value, response=False),
    "response-set": lambda builder, name, value: builder.field(Verb.SET, name, value, response=True),
    "response-add": lambda builder, name, value: builder.field(Verb.ADD, name, value, response=True),
}
