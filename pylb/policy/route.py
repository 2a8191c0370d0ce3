"""Routes: which service a request is for, by its host and path.

The order is fabio's: routes with a host come before those without, among them the longest path wins. A path
matches whole segments: `/api` takes `/api`, `/api/x` and `/api?x`, not `/apis`. Nothing is decoded,
normalised or rewritten; the backend sees the very target that the client sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pylb.policy.pool import Pool

EXPECTED = "expected NAME, NAME=/PATH, NAME=HOST or NAME=HOST/PATH"

_SERVICE = re.compile(r"[^\s/=]+")
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\]")
_PATH = re.compile(r"/[!-~]*")


@dataclass(frozen=True, slots=True)
class Route:
    """What requests a service gets."""

    service: str
    host: str = ""
    """In lower case, without a port; empty for any."""
    path: str = ""
    """The first segments of the path, without a slash at the end; empty for any."""

    def __str__(self) -> str:
        return f"{self.service}={self.host}{self.path}" if self.host or self.path else self.service


def parse_route(text: str) -> Route:
    """Read a route as `--service` takes it: `web`, `api=/api`, `shop=shop.example.com/cart`.

    Raises:
        ValueError: it cannot be read; the message is one line that says what is wrong with it.
    """
    service, equals, place = text.partition("=")
    if not _SERVICE.fullmatch(service):
        raise ValueError(f"{text!r} does not start with the name of a service, {EXPECTED}")
    if equals and not place:
        raise ValueError(f"{text!r} ends where a host or path should be, {EXPECTED}")
    host, slash, path = place.partition("/")
    host = host.lower().removesuffix(".")
    path = slash + path
    if host and not _HOST.fullmatch(host):
        raise ValueError(f"{text!r} has no usable host, expected one like shop.example.com, without a port")
    if path and (not _PATH.fullmatch(path) or "?" in path or "#" in path):
        raise ValueError(
            f"{text!r} has no usable path, expected one as it is sent, like /caf%C3%A9, no query"
        )
    return Route(service, host, path.rstrip("/"))


class Routes:
    """All routes, and the pools that they lead to.

    Args:
        routes: which requests are for which service.
        pools: the pool of each service that a route names.

    Raises:
        ValueError: two routes are for the same requests; the message is one line that names both.
    """

    def __init__(self, routes: Iterable[Route], pools: Mapping[str, Pool]) -> None:
        taken: dict[tuple[str, str], Route] = {}
        for route in routes:
            other = taken.setdefault((route.host, route.path), route)
            if other is not route:
                raise ValueError(f"{str(other)!r} and {str(route)!r} are for the same requests, expected one")
        self._hosts: dict[bytes, dict[bytes, Pool]] = {}
        for route in taken.values():
            paths = self._hosts.setdefault(route.host.encode(), {})
            paths[route.path.encode()] = pools[route.service]
        self._any_host = self._hosts.pop(b"", {})
        self._longest = max((len(route.path) for route in taken.values()), default=0)
        """No path is longer; what lies beyond in a target cannot matter."""
        self.only = self._any_host[b""] if len(taken) == 1 and b"" in self._any_host else None
        """The pool of all requests, where there is just one route."""

    def match(self, host: bytes, target: bytes) -> Pool | None:
        """The pool that a request is for, or None if no route takes it.

        Args:
            host: as in the `Host` field, with or without a port.
            target: in origin-form, or `*`.
        """
        path = target.partition(b"?")[0][: self._longest + 1]
        paths = self._hosts.get(_name(host)) if self._hosts else None
        pool = _longest(paths, path) if paths else None
        return pool or _longest(self._any_host, path)


def _name(host: bytes) -> bytes:
    """A host without its port, as routes write it."""
    host = host.lower()
    if host.startswith(b"["):
        return host[: host.find(b"]") + 1]
    return host.partition(b":")[0].removesuffix(b".")


def _longest(paths: Mapping[bytes, Pool], path: bytes) -> Pool | None:
    """The pool of the longest of `paths` that `path` starts with, found by cutting off its last segments."""
    while path and path not in paths:
        path = path.rpartition(b"/")[0]
    return paths.get(path)
