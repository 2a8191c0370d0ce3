"""The index of routes: the candidates for a host and a path, in the order of precedence.

Paths are sorted. All groups of routes whose literal characters begin the path of a request are found from one
of them: the last one that is not behind the path in this order, and those that are beginnings of that one. A
lookup is one binary search and as many steps as routes are nested, whatever the number of routes.

An index does not change. `changed` returns a new one, which shares all parts that are equal.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator, Mapping
from typing import Generic, TypeVar, cast

from pylb.routes.compiled import CompiledRoute
from pylb.routes.group import Group, HostKey
from pylb.routes.match import Host, Labels
from pylb.routes.order import host_order
from pylb.routes.places import compile_host, host_name

S = TypeVar("S")

EXACT, ONE, ANY, GLOB = Labels.NONE.value, Labels.ONE.value, Labels.ANY.value, Labels.GLOB.value

KNOWN_HOSTS = 1024
"""Hosts whose paths are cached. A client can send any number of hosts, so the cache is cleared when full."""

GroupChanges = Mapping[bytes, "Group[S] | None"]
"""By literal: the new group, or None if it is removed."""


class PathIndex(Generic[S]):
    """The routes of one host.

    Args:
        groups: by their literals.
    """

    __slots__ = ("_keys", "_parents", "groups")

    def __init__(self, groups: dict[bytes, Group[S]]) -> None:
        self.groups = groups
        self._keys = sorted(groups)
        self._parents: dict[bytes, bytes | None] = {}
        """For a key, the longest other one that it begins with; computed when a request needs it."""

    def changed(self, changes: GroupChanges[S]) -> PathIndex[S]:
        """Return the index with other groups."""
        groups, keys = self.groups.copy(), self._keys.copy()
        for key, group in changes.items():
            if group is None:
                del groups[key], keys[bisect_left(keys, key)]
            else:
                if key not in groups:
                    insort(keys, key)
                groups[key] = group
        index: PathIndex[S] = PathIndex({})
        index.groups, index._keys = groups, keys
        return index

    def candidates(self, path: bytes) -> Iterator[CompiledRoute[S]]:
        """Yield the routes that match a path, in the order of precedence."""
        place, parents = bisect_right(self._keys, path), self._parents
        key = self._keys[place - 1] if place else None
        while key is not None:
            if path.startswith(key):
                for route in self.groups[key].routes:
                    if route.fits(path):
                        yield route
            try:
                key = parents[key]
            except KeyError:
                key = self._parent(cast(bytes, key))

    def _parent(self, key: bytes) -> bytes | None:
        beginnings = (key[:size] for size in range(len(key) - 1, -1, -1))
        parent = self._parents[key] = next((each for each in beginnings if each in self.groups), None)
        return parent


class HostIndex(Generic[S]):
    """Routes by host.

    Args:
        by_host: the routes of each host.
        globs: tests of the hosts in which wildcards stand anywhere.
    """

    __slots__ = ("_globs", "_known", "by_host")

    def __init__(
        self, by_host: dict[HostKey, PathIndex[S]], globs: Mapping[Host, Callable[[bytes], bool]]
    ) -> None:
        self.by_host = by_host
        self._globs = globs
        self._known: dict[bytes, tuple[PathIndex[S], ...]] = {}

    def changed(self, changes: Mapping[HostKey, GroupChanges[S]]) -> HostIndex[S]:
        """Return the index with other groups."""
        by_host = self.by_host.copy()
        for host, groups in changes.items():
            index = by_host.get(host)
            by_host[host] = (
                index.changed(groups) if index else PathIndex({k: g for k, g in groups.items() if g})
            )
            if not by_host[host].groups:
                del by_host[host]
        globs = self._globs
        if any(labels == GLOB for _, labels, _ in changes):
            hosts = {Host(name, Labels.GLOB) for name, labels, _ in by_host if labels == GLOB}
            globs = {host: compile_host(host) for host in hosts}
        return HostIndex(by_host, globs)

    def paths(self, host: bytes) -> tuple[PathIndex[S], ...]:
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

    def candidates(self, path: bytes, host: bytes) -> Iterator[CompiledRoute[S]]:
        """Yield the routes whose host and path match, in the order of precedence."""
        for index in self.paths(host):
            yield from index.candidates(path)

    def _search(self, name: bytes) -> Iterator[PathIndex[S]]:
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
                if found := self.by_host.get((name_, labels, of_port)):
                    yield found
