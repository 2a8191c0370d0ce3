"""Reads a file of routes: text in, declarations out, or one line that says which line is wrong.

    [services.api]
    routes = ["api.example.com", "/api strip=/api"]
    policy = "round-robin"
    backends = "10.0.0.1:80,10.0.0.2:80"

A file is valid as a whole or not at all, so a broken edit keeps the former table.

State: complete and tested, not yet connected to a source of routes. The settings await settings per service.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from typing import Any

from pylb.routes.declaration import ServiceDeclaration
from pylb.routes.grammar import parse_route
from pylb.routes.quote import quoted
from pylb.routes.route import Route

LARGEST = 16 << 20
"""Characters of a file."""

_SERVICE = re.compile(r"[^\s/=]{1,255}")
_OPTION = re.compile(r"[a-z][a-z0-9-]{0,63}")
_HEADER = re.compile(r"^[ \t]*\[[ \t]*services[ \t]*\.[ \t]*[\"']?([^\"'\]\n]*?)[\"']?[ \t]*\]", re.MULTILINE)
_POSITION = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


def read_file(text: str, name: str) -> tuple[ServiceDeclaration, ...]:
    """Return the declarations of a file.

    Args:
        text: the file.
        name: of the file, for errors and as the source of its routes.

    Raises:
        ValueError: the file is invalid; the message is one line with the name, the line and the reason.
    """
    if len(text) > LARGEST:
        raise ValueError(f"{name}: {len(text)} characters, expected at most {LARGEST}")
    try:
        content = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ValueError(_syntax(str(error), text, name)) from None
    return _Reader(text, name).services(content)


def _syntax(message: str, text: str, name: str) -> str:
    position = _POSITION.search(message)
    line = int(position[1] or 0) if position else 0
    reason = _POSITION.sub("", message)
    return f"{name}, line {line or text.count(chr(10)) + 1}: {reason[:1].lower()}{reason[1:]}"


class _Reader:
    """A file while it is checked."""

    def __init__(self, text: str, name: str) -> None:
        self._text = text
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
        return tuple(self._service(name, table) for name, table in tables.items())

    def _service(self, name: str, table: object) -> ServiceDeclaration:
        start = self._headers.get(name, 0)
        if not _SERVICE.fullmatch(name):
            raise self._error(self._line_at(start), f"{quoted(name)} is no name of a service")
        if not isinstance(table, dict):
            reason = f"{quoted(name)}, expected a table [services.{name}]"
            raise self._error(self._line_of(name, start), reason)
        settings: list[tuple[str, str]] = []
        for key, value in table.items():
            if key in {"routes", "backends"}:
                continue
            if not _OPTION.fullmatch(key) or isinstance(value, (dict, list)):
                reason = f"{quoted(key)} of {name}, expected the name of an option and one value"
                raise self._error(self._line_of(key, start), reason)
            settings.append((key, _typed(value)))
        backends = table.get("backends", "")
        if not isinstance(backends, str):
            raise self._error(self._line_of("backends", start), f"backends of {name}, expected a text")
        routes = self._routes(name, table.get("routes", [""]), start)
        return ServiceDeclaration(name, routes, tuple(settings), backends)

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
                routes.append(parse_route(service, text, f"{self._name}, line {line}"))
            except ValueError as error:
                raise self._error(line, str(error)) from None
        return tuple(routes)

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
