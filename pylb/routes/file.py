"""Reads a file of routes: text in, declarations out, or an error of one line that names the wrong line.

    [services.api]
    routes = ["api.example.com", "/api strip=/api"]
    policy = "round-robin"
    backends = "10.0.0.1:80,10.0.0.2:80"

A file is valid as a whole or not at all, so a broken edit keeps the former table.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pylb.routes.declaration import ServiceDeclaration
from pylb.routes.grammar import parse_route
from pylb.routes.quote import quoted
from pylb.routes.route import Route

Check = Callable[[str, str], None]
"""Checks the name and the value of a setting, or of `backends`; raises ValueError."""

LARGEST = 4 << 20
"""Characters of a file: 30,000 services, which take some seconds to parse."""

_SERVICE = re.compile(r"[^\s/=]{1,255}")
_OPTION = re.compile(r"[a-z][a-z0-9-]{0,63}")
_HEADER = re.compile(r"^[ \t]*\[[ \t]*services[ \t]*\.[ \t]*[\"']?([^\"'\]\n]*?)[\"']?[ \t]*\]", re.MULTILINE)
_POSITION = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


def accept(_name: str, _value: str) -> None:
    """Accept all settings."""


def read_file(text: str, name: str, check: Check = accept) -> tuple[ServiceDeclaration, ...]:
    """Return the declarations of a file.

    Args:
        text: the file.
        name: of the file, for errors and as the source of its routes.
        check: checks the settings and the fixed backends of services.

    Raises:
        ValueError: the file is invalid; the message is one line with the name, the line and the reason.
    """
    return _Reader(text, name, check).services(_content(text, name))


def read_service(
    service: str, text: str, name: str, check: Check = accept, order: tuple[int, int] = (0, 0)
) -> ServiceDeclaration:
    """Return the declaration of one service, of which a text has what a file has below `[services.NAME]`.

    Args:
        service: the name of the service.
        text: the keys and values.
        name: of the text, for errors and as the source of its routes.
        check: checks the settings and the fixed backends.
        order: of the declaration.

    Raises:
        ValueError: the text is invalid; the message is one line with the name, the line and the reason.
    """
    read = _Reader(text, name, check).service(service, _content(text, name))
    return replace(read, order=order)


def _content(text: str, name: str) -> dict[str, Any]:
    if len(text) > LARGEST:
        raise ValueError(f"{name}: {len(text)} characters, expected at most {LARGEST}")
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ValueError(_syntax(str(error), text, name)) from None


def _syntax(message: str, text: str, name: str) -> str:
    position = _POSITION.search(message)
    line = int(position[1] or 0) if position else 0
    reason = _POSITION.sub("", message)
    return f"{name}, line {line or text.count(chr(10)) + 1}: {reason[:1].lower()}{reason[1:]}"


class _Reader:
    """A file while it is checked."""

    def __init__(self, text: str, name: str, check: Check) -> None:
        self._text = text
        self._check = check
        self._name = name
        self._starts = [0, *(newline.end() for newline in re.finditer("\n", text))]
        headers = list(_HEADER.finditer(text))
        self._tables = [header.start() for header in headers]
        self._headers = {header[1]: header.start() for header in reversed(headers)}

    def services(self, content: dict[str, Any]) -> tuple[ServiceDeclaration, ...]:
        """Check the whole file."""
        for key in content:
            if key != "services":
                raise self._error(self._line_of(key), f"{quoted(key)}, expected [services.NAME]")
        tables = content.get("services", {})
        if not isinstance(tables, dict):
            raise self._error(self._line_of("services"), "services, expected tables such as [services.web]")
        return tuple(self.service(name, table) for name, table in tables.items())

    def service(self, name: str, table: object) -> ServiceDeclaration:
        """Check one service."""
        start = self._headers.get(name, 0)
        if not _SERVICE.fullmatch(name):
            raise self._error(self._line_at(start), f"{quoted(name)} is no name of a service")
        if not isinstance(table, dict):
            reason = f"{quoted(name)}, expected a table [services.{name}]"
            raise self._error(self._line_of(name, start), reason)
        settings: list[tuple[str, str]] = []
        origins: list[str] = []
        for key, value in table.items():
            if key in {"routes", "backends"}:
                continue
            if not _OPTION.fullmatch(key) or isinstance(value, (dict, list)):
                reason = f"{quoted(key)} of {name}, expected the name of an option and one value"
                raise self._error(self._line_of(key, start), reason)
            self._check_value(key, _typed(value), start)
            settings.append((key, _typed(value)))
            origins.append(f"{self._name}, line {self._line_of(key, start)}")
        backends = table.get("backends", "")
        if not isinstance(backends, str):
            raise self._error(self._line_of("backends", start), f"backends of {name}, expected a text")
        if "backends" in table:
            self._check_value("backends", backends, start)
        routes = self._routes(name, table.get("routes", [""]), start)
        return ServiceDeclaration(name, routes, tuple(settings), backends, origins=tuple(origins))

    def _routes(self, service: str, texts: object, start: int) -> tuple[Route, ...]:
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            reason = f'routes of {service}, expected a list such as ["/api strip=/api"]'
            raise self._error(self._line_of("routes", start), reason)
        routes = []
        offset = self._key("routes", start)
        for text in texts:
            offset = self._containing(text, offset)
            line = self._line_at(offset)
            try:
                route = parse_route(service, text, f"{self._name}, line {line}")
                for key, value in route.settings:
                    self._check(key, value)
            except ValueError as error:
                raise self._error(line, str(error)) from None
            routes.append(route)
        return tuple(routes)

    def _check_value(self, key: str, value: str, start: int) -> None:
        try:
            self._check(key, value)
        except ValueError as error:
            raise self._error(self._line_of(key, start), str(error)) from None

    def _error(self, line: int, reason: str) -> ValueError:
        return ValueError(f"{self._name}, line {line}: {reason}")

    def _line_at(self, offset: int) -> int:
        return bisect_right(self._starts, offset)

    def _line_of(self, key: str, start: int = 0) -> int:
        return self._line_at(self._key(key, start))

    def _key(self, key: str, start: int) -> int:
        """The offset of a key, at or after another one; that one if the key is not found."""
        pattern = re.compile(rf"^[ \t]*(?:\[[ \t]*)?[\"']?{re.escape(key)}\b", re.MULTILINE)
        found = pattern.search(self._text, start)
        return found.start() if found else start

    def _containing(self, text: str, start: int) -> int:
        """The offset of a text in the rest of a table; `start` if the file writes it with escapes."""
        following = bisect_right(self._tables, start)
        end = self._tables[following] if following < len(self._tables) else len(self._text)
        return max(start, self._text.find(text, start, end)) if text else start


def _typed(value: object) -> str:
    """Return a value as a user types it in an option."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)
