"""The index of routes: the candidates for a host and a path, in the order of precedence.

Paths are sorted. All routes whose path begins the path of a request lie on one chain: the last route that is
not behind it in this order, and the routes that are beginnings of that one. A lookup is one binary search and
as many steps as routes are nested, whatever the number of routes.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator

from pylb.http1.headers import ClientInfo
from pylb.http1.parser import Request
from pylb.routes.compiled import CompiledRoute
from pylb.routes.match import Labels, Match, PathKind

KNOWN_HOSTS = 1024
"""Hosts whose paths are cached. A client can send any number of hosts, so the cache is cleared when full."""


def host_name(host: bytes) -> bytes:
    """Return the host of a request as routes write it: in lower case, without port and final dot."""
    host = host.lower()
    if host.startswith(b"["):
        return host[: host.find(b"]") + 1]
    return host.partition(b":")[0].removesuffix(b".")


def compile_path(match: Match) -> Callable[[bytes], bool]:
    """Return a test of a path that begins with the literal characters of the match."""
    literal = match.literal.encode()
    size = len(literal)
    if match.kind is PathKind.EXACT:
        return lambda path: len(path) == size
    if match.kind is PathKind.PREFIX or not size:
        return lambda _path: True
    if match.kind is PathKind.SEGMENTS:
        return lambda path: path[size : size + 1] in b"/"  # Also at the end: the empty string is in each.
    glob = compile_glob(match.path)
    return lambda path: glob.fullmatch(path) is not None


def compile_glob(text: str) -> re.Pattern[bytes]:
    """Return a pattern of a glob. Each `*` takes as little as possible and is never tried again: the cost is
    linear in the length of the path for each `*` (as in `fnmatch`).
    """  # noqa: D205
    first, *others = (
        b"".join(b"." if char == "?" else re.escape(char.encode()) for char in part)
        for part in re.split(r"\*+", text)
    )
    if not others:
        return re.compile(first, re.DOTALL)
    last = others.pop()
    between = b"".join(b"(?>.*?%b)" % part for part in others)
    return re.compile(b"%b%b.*%b" % (first, between, last), re.DOTALL)


class PathIndex:
    """The routes of one host.

    Args:
        routes: in the order of precedence.
    """

    __slots__ = ("_chains", "_keys", "_parents")

    def __init__(self, routes: Iterable[CompiledRoute]) -> None:
        by_key: dict[bytes, list[CompiledRoute]] = {}
        for route in routes:
            by_key.setdefault(route.route.match.literal.encode(), []).append(route)
        self._keys = sorted(by_key)
        self._chains = [tuple(by_key[key]) for key in self._keys]
        self._parents: list[int] = []
        """For each key the index of the longest other one that it begins with, or -1."""
        for place, key in enumerate(self._keys):
            parent = place - 1
            while parent >= 0 and not key.startswith(self._keys[parent]):
                parent = self._parents[parent]
            self._parents.append(parent)

    def first(self, path: bytes, request: Request, client: ClientInfo) -> CompiledRoute | None:
        """Return the route of a request, or None if none of them matches."""
        keys = self._keys
        place = bisect_right(keys, path) - 1
        while place >= 0:
            if path.startswith(keys[place]):
                for route in self._chains[place]:
                    if route.fits(path) and (not route.tests or route.meets(request, client)):
                        return route
            place = self._parents[place]
        return None

    def candidates(self, path: bytes) -> Iterator[CompiledRoute]:
        """Yield the routes that match a path, in the order of precedence."""
        place = bisect_right(self._keys, path) - 1
        while place >= 0:
            if path.startswith(self._keys[place]):
                yield from (route for route in self._chains[place] if route.fits(path))
            place = self._parents[place]


class HostIndex:
    """Routes by host.

    Args:
        routes: in the order of precedence.
    """

    __slots__ = ("_by_host", "_known")

    def __init__(self, routes: Iterable[CompiledRoute]) -> None:
        grouped: dict[tuple[bytes, Labels], list[CompiledRoute]] = {}
        for route in routes:
            host = route.route.match.host
            grouped.setdefault((host.name.encode(), host.labels), []).append(route)
        self._by_host = {host: PathIndex(group) for host, group in grouped.items()}
        self._known: dict[bytes, tuple[PathIndex, ...]] = {}

    def paths(self, host: bytes) -> tuple[PathIndex, ...]:
        """Return the routes of the hosts that match: exact, the longest wildcard first, none.

        Args:
            host: as in the `Host` field, with or without a port.
        """
        found = self._known.get(host)
        if found is None:
            if len(self._known) >= KNOWN_HOSTS:
                self._known.clear()
            found = self._known[host] = tuple(self._search(host_name(host)))
        return found

    def candidates(self, path: bytes, host: bytes) -> Iterator[CompiledRoute]:
        """Yield the routes whose host and path match, in the order of precedence."""
        for index in self.paths(host):
            yield from index.candidates(path)

    def _search(self, name: bytes) -> Iterator[PathIndex]:
        hosts: list[tuple[bytes, Labels]] = [(name, Labels.NONE)] if name else []
        _, dot, suffix = name.partition(b".")
        if dot:
            hosts.append((suffix, Labels.ONE))
        while dot:
            hosts.append((suffix, Labels.ANY))
            _, dot, suffix = suffix.partition(b".")
        hosts.append((b"", Labels.NONE))
        yield from (self._by_host[host] for host in hosts if host in self._by_host)
