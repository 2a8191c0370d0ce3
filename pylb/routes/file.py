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
from typing import Any

from pylb.routes.declaration import ServiceDeclaration
from pylb.routes.grammar import parse_route
from pylb.routes.quote import quoted
from pylb.routes.route import Route

LARGEST = 16 << 20
"""Characters of a file."""

_SERVICE = re.compile(r"[^\s/=]{1,255}")
_OPTION = re.compile(r"[a-z][a-z0-9-]{0,63}")
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
        self._lines = text.split("\n")
        self._name = name

    def services(self, content: dict[str, Any]) -> tuple[ServiceDeclaration, ...]:
        """Check the whole file."""
        for key in content:
            if key != "services":
                raise self._error(self._line(key), f"{quoted(key)}, expected [services.NAME]")
        tables = content.get("services", {})
        if not isinstance(tables, dict):
            raise self._error(self._line("services"), "services, expected tables such as [services.web]")
        return tuple(self._service(name, table) for name, table in tables.items())

    def _service(self, name: str, table: object) -> ServiceDeclaration:
        start = self._header(name)
        if not _SERVICE.fullmatch(name):
            raise self._error(start, f"{quoted(name)} is no name of a service")
        if not isinstance(table, dict):
            raise self._error(self._line(name, start), f"{quoted(name)}, expected a table [services.{name}]")
        settings: list[tuple[str, str]] = []
        for key, value in table.items():
            line = self._line(key, start)
            if key in {"routes", "backends"}:
                continue
            if not _OPTION.fullmatch(key) or isinstance(value, (dict, list)):
                raise self._error(
                    line, f"{quoted(key)} of {name}, expected the name of an option and one value"
                )
            settings.append((key, _typed(value)))
        backends = table.get("backends", "")
        if not isinstance(backends, str):
            raise self._error(self._line("backends", start), f"backends of {name}, expected a text")
        routes = self._routes(name, table.get("routes", [""]), start)
        return ServiceDeclaration(name, routes, tuple(settings), backends)

    def _routes(self, service: str, texts: object, start: int) -> tuple[Route, ...]:
        line = self._line("routes", start)
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise self._error(line, f'routes of {service}, expected a list such as ["/api strip=/api"]')
        routes = []
        for text in texts:
            line = self._containing(text, line)
            try:
                routes.append(parse_route(service, text, f"{self._name}, line {line}"))
            except ValueError as error:
                raise self._error(line, str(error)) from None
        return tuple(routes)

    def _error(self, line: int, reason: str) -> ValueError:
        return ValueError(f"{self._name}, line {line}: {reason}")

    def _header(self, service: str) -> int:
        """The line of the table of a service."""
        header = re.compile(rf"\s*\[\s*services\s*\.\s*[\"']?{re.escape(service)}[\"']?\s*\]")
        return next((number for number, line in enumerate(self._lines, 1) if header.match(line)), 1)

    def _line(self, key: str, start: int = 1) -> int:
        """The line of a key, at or after another line; that line if the key is not found."""
        pattern = re.compile(rf"\s*(?:\[\s*)?[\"']?{re.escape(key)}\b")
        rest = enumerate(self._lines[start - 1 :], start)
        return next((number for number, line in rest if pattern.match(line)), start)

    def _containing(self, text: str, start: int) -> int:
        rest = enumerate(self._lines[start - 1 :], start)
        return next((number for number, line in rest if text and text in line), start)


def _typed(value: object) -> str:
    """Return a value as a user types it in an option."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)
