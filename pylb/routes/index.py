"""The index of routes: the candidates for a host and a path, in the order of precedence.

Paths are sorted. All routes whose path begins the path of a request lie on one chain: the last route that is
not behind it in this order, and the routes that are beginnings of that one. A lookup is one binary search and
as many steps as routes are nested, whatever the number of routes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator

from pylb.http1.headers import ClientInfo
from pylb.http1.parser import Request
from pylb.routes.compiled import CompiledRoute
from pylb.routes.match import Host, Labels
from pylb.routes.order import host_order
from pylb.routes.places import compile_host, host_name

EXACT, ONE, ANY = Labels.NONE.value, Labels.ONE.value, Labels.ANY.value

KNOWN_HOSTS = 1024
"""Hosts whose paths are cached. A client can send any number of hosts, so the cache is cleared when full."""


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

    __slots__ = ("_by_host", "_globs", "_known")

    def __init__(self, routes: Iterable[CompiledRoute]) -> None:
        grouped: dict[tuple[str, str, bool], list[CompiledRoute]] = {}
        globs: set[Host] = set()
        for route in routes:
            match = route.route.match
            grouped.setdefault((match.host.name, match.host.labels.value, match.of_port), []).append(route)
            if match.host.labels is Labels.GLOB:
                globs.add(match.host)
        self._by_host = {host: PathIndex(group) for host, group in grouped.items()}
        self._globs = {host: compile_host(host) for host in globs}
        self._known: dict[bytes, tuple[PathIndex, ...]] = {}

    def paths(self, host: bytes) -> tuple[PathIndex, ...]:
        """Return the routes of the hosts that match: exact, the longest pattern first, none.

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
        """Find the hosts in a number of steps that depends on the labels of the name, and on the globs."""
        text = name.decode("latin-1")
        hosts = [(text, EXACT)] if text else []
        _, dot, suffix = text.partition(".")
        if dot:
            hosts.append((suffix, ONE))
        while dot:
            hosts.append((suffix, ANY))
            _, dot, suffix = suffix.partition(".")
        matching = [host for host, fits in self._globs.items() if fits(name)]
        if matching:
            matching += [Host(name, Labels(labels)) for name, labels in hosts]
            hosts = [(host.name, host.labels.value) for host in sorted(matching, key=host_order)]
        for name_, labels in (*hosts, ("", EXACT)):
            for of_port in (True, False):
                if found := self._by_host.get((name_, labels, of_port)):
                    yield found
