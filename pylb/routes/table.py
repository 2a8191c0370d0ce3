"""The route table: all routes, compiled. A change makes a new table, which shares all parts that are equal.

The cost of a change depends on what changes, and not on the number of routes: only groups of routes for the
same host and the same beginning of paths are compiled again (`group`).

`only` is the service of all requests if there is one route and it changes nothing; then no lookup is needed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from random import random
from typing import Any, Generic, TypeVar, cast

from pylb.http1.headers import ClientInfo
from pylb.http1.parser import Request
from pylb.routes.compiled import CompiledRoute, Rank
from pylb.routes.declaration import Age, ServiceDeclaration
from pylb.routes.explain import behind, unmet
from pylb.routes.fit import Fit, Routed
from pylb.routes.group import Group, GroupKey, HostKey
from pylb.routes.index import HostIndex, PathIndex
from pylb.routes.order import Tier
from pylb.routes.path import normalise
from pylb.routes.resolve import Entry, is_catch_all, problem_of
from pylb.routes.route import Problem, Route
from pylb.routes.text import service_text

S = TypeVar("S")

NO_ROUTES = HostIndex[Any]({}, {})

NO_PATHS = PathIndex[Any]({})

KNOWN_PATHS = 4096
"""Paths whose routes are kept. A client can send any number of paths, so all are dropped at this number."""

LONGEST_KNOWN = 256
"""Bytes of a host and of a path that are kept."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A route whose host and path match a request, and what became of it."""

    compiled: CompiledRoute[Any]
    wins: bool
    why: str
    """Why it receives the request or does not, as text."""

    @property
    def route(self) -> Route:
        """The route as it is declared."""
        return self.compiled.route


class RouteTable(Generic[S]):
    """All routes of a process.

    Args:
        declarations: of the services, at most one for each.
        service_of: returns what the requests of a route use; None in a process that serves no requests.
        generation: increases with each change of the declarations.
        draw: returns a random number from 0 to 1, without 1; divides requests by weight.
    """

    def __init__(
        self,
        declarations: Iterable[ServiceDeclaration] = (),
        service_of: Callable[[Route], S] | None = None,
        generation: int = 0,
        draw: Callable[[], float] = random,
    ) -> None:
        self.generation = generation
        self.size = 0
        """The number of routes; those that share a match count as one."""
        self._service_of = service_of
        self._draw = draw
        self._known: dict[tuple[bytes, bytes], tuple[Fit[S], ...]] = {}
        """By host and path of a request: the routes that fit, up to the first that has no further tests."""
        self.certain: dict[tuple[bytes, bytes], Routed[S]] = {}
        """By host and target, without a query: what becomes of the request, if nothing else decides that."""
        self._tiers: dict[Tier, HostIndex[S]] = dict.fromkeys(Tier, NO_ROUTES)
        deque(self._steps((), declarations), maxlen=0)

    def changed(
        self, removed: Iterable[ServiceDeclaration], added: Iterable[ServiceDeclaration], generation: int
    ) -> RouteTable[S]:
        """Return the table after a change; see `changing`."""
        table, steps = self.changing(removed, added, generation)
        deque(steps, maxlen=0)
        return table

    def changing(
        self, removed: Iterable[ServiceDeclaration], added: Iterable[ServiceDeclaration], generation: int
    ) -> tuple[RouteTable[S], Iterator[None]]:
        """Return the table after a change, and the steps that complete it. Each step is short.

        Args:
            removed: declarations of this table; also those that `added` replaces.
            added: the new ones.
            generation: of the new table.
        """
        table: RouteTable[S] = RouteTable((), self._service_of, generation, self._draw)
        table.size, table._tiers = self.size, self._tiers.copy()
        return table, table._steps(removed, added)

    def _steps(
        self, removed: Iterable[ServiceDeclaration], added: Iterable[ServiceDeclaration]
    ) -> Iterator[None]:
        """Change this table, which no request uses yet; yield between services and between groups."""
        edited: dict[GroupKey, dict[Age, Entry[S]]] = {}
        for declaration in removed:
            for age, route in declaration.aged():
                del self._entries(GroupKey.of(route), edited)[age]
            yield
        for declaration in added:
            for age, route in declaration.aged():
                service = self._service_of(route) if self._service_of and route.has_pool else None
                self._entries(GroupKey.of(route), edited)[age] = Entry(age, route, service)
            yield
        changes: dict[Tier, dict[HostKey, dict[bytes, Group[S] | None]]] = {tier: {} for tier in Tier}
        for key, entries in edited.items():
            old = self._group(key)
            if entries != (old.entries if old else {}):
                new = Group(entries, self._draw) if entries else None
                self.size += len(new.routes if new else ()) - len(old.routes if old else ())
                changes[key.tier].setdefault(key.host_key, {})[key.literal] = new
                yield
        for tier, hosts in changes.items():
            if hosts:
                self._tiers[tier] = self._tiers[tier].changed(hosts)
        self._own = self._tiers[Tier.OWN]
        self._imported = self._tiers[Tier.IMPORTED]
        self._rest: PathIndex[S] = next(iter(self._tiers[Tier.REST].by_host.values()), NO_PATHS)
        single = self._single
        self.takes_all = single is not None
        """Whether there is one route, it takes all requests, and it changes nothing."""
        self.only = single.service if single else None
        """The service of all requests, if one route takes all of them and changes nothing."""

    def _entries(self, key: GroupKey, edited: dict[GroupKey, dict[Age, Entry[S]]]) -> dict[Age, Entry[S]]:
        """Return the entries of a group, to be edited."""
        entries = edited.get(key)
        if entries is None:
            group = self._group(key)
            entries = edited[key] = group.entries.copy() if group else {}
        return entries

    def _group(self, key: GroupKey) -> Group[S] | None:
        index = self._tiers[key.tier].by_host.get(key.host_key)
        return index.groups.get(key.literal) if index else None

    def _groups(self) -> Iterator[Group[S]]:
        for tier in self._tiers.values():
            for index in tier.by_host.values():
                yield from index.groups.values()

    @cached_property
    def routes(self) -> tuple[Route, ...]:
        """The routes in the order of precedence; of those that share a match, the oldest."""
        compiled = (route for group in self._groups() for route in group.routes)
        return tuple(each.route for each in sorted(compiled, key=_rank) if not self._gives_way(each.route))

    @cached_property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with the routes, by their age."""
        found = [each for group in self._groups() for each in group.problems]
        for group in self._groups():
            for compiled in group.routes:
                if self._gives_way(compiled.route):
                    text = f"is for all requests, as is {service_text(cast(Route, self._catch_all))!r}"
                    found.append((compiled.rank[1], problem_of(compiled.route, text)))
        return tuple(problem for _, problem in sorted(found, key=lambda each: (each[0], each[1].text)))

    def match(self, path: bytes, request: Request, client: ClientInfo) -> CompiledRoute[S] | None:
        """Return the route of a request, or None if no route takes it.

        Args:
            path: of the request, in normal form.
            request: its head.
            client: the client, for routes that depend on it.
        """
        for route in self._candidates(path, request.host):
            if route.meets(request, client):
                return route if route.shares is None else route.shares.choose(request, client)
        return None

    def find(self, request: Request, client: ClientInfo) -> Fit[S] | None:
        """Return the route of a request with what it makes of the path, or None if no route takes it.

        Raises:
            ValueError: the path is invalid.
        """
        target = request.target
        path = target.partition(b"?")[0] if b"?" in target else target
        fits = self._known.get((request.host, path))
        if fits is None:
            fits = self._fits(request.host, path)
        for fit in fits:
            route = fit.route
            if not route.tests or route.meets(request, client):
                if route.shares is None:
                    return fit
                chosen = route.shares.choose(request, client)
                return fit if chosen is route else Fit(chosen, normalise(path), path)
        return None

    def _fits(self, host: bytes, original: bytes) -> tuple[Fit[S], ...]:
        """Return the routes that fit a host and a path, in the order of precedence, and keep them."""
        path = normalise(original)
        fits: list[Fit[S]] = []
        for route in self._candidates(path, host):
            fits.append(Fit(route, path, original))
            if not route.tests:
                break
        if len(self._known) >= KNOWN_PATHS:
            self._known.clear()
            self.certain.clear()
        if len(host) <= LONGEST_KNOWN and len(original) <= LONGEST_KNOWN:
            self._known[host, original] = tuple(fits)
            if fits and fits[0].certain:
                self.certain[host, original] = fits[0].routed
        return tuple(fits)

    def service(self, request: Request, client: ClientInfo) -> S | None:
        """Return the service of a request; None if no route takes it, or pylb answers it."""
        if self.only is not None:
            return self.only
        try:
            fit = self.find(request, client)
        except ValueError:
            return None
        return None if fit is None else fit.route.service

    def explain(self, path: bytes, request: Request, client: ClientInfo) -> list[Candidate]:
        """Return all routes whose host and path match a request, in the order of precedence."""
        winner = self.match(path, request, client)
        found: list[Candidate] = []
        for candidate in self._candidates(path, request.host):
            members = candidate.shares.members if candidate.shares is not None else ()
            if winner is not None and winner in members:
                found.append(Candidate(winner, True, "its share of the requests"))
                others = (each for each in members if each is not winner)
                found += [Candidate(each, False, "another route of this match, by weight") for each in others]
            elif candidate is winner:
                found.append(Candidate(candidate, True, "the first route that matches"))
            elif winner is None or not candidate.meets(request, client):
                found.append(Candidate(candidate, False, unmet(candidate.route.match, request, client)))
            else:
                found.append(Candidate(candidate, False, behind(candidate.route, winner.route)))
        return found

    def _candidates(self, path: bytes, host: bytes) -> Iterator[CompiledRoute[S]]:
        """Yield the routes that fit a path and a host, in the order of precedence."""
        yield from self._own.candidates(path, host)
        if self._imported.by_host:
            imported = sorted(self._imported.candidates(path, host), key=_rank)
            yield from (each for each in imported if not self._gives_way(each.route))
        yield from self._rest.candidates(path)

    @property
    def _single(self) -> CompiledRoute[S] | None:
        """The route that takes all requests and changes nothing, if there is no other one."""
        if self.size != 1:
            return None
        (single,) = (route for group in self._groups() for route in group.routes)
        takes_all = single.plain and single.shares is None and is_catch_all(single.route)
        return single if takes_all else None

    @cached_property
    def _catch_all(self) -> Route | None:
        """The route of pylb's own grammar that takes all requests."""
        compiled = sorted(
            (route for group in self._rest.groups.values() for route in group.routes), key=_rank
        )
        return next((each.route for each in compiled if is_catch_all(each.route)), None)

    def _gives_way(self, route: Route) -> bool:
        """Whether a route is an imported rule for all requests, and one of pylb's own takes them."""
        return route.priority is not None and self._catch_all is not None and is_catch_all(route)


def _rank(compiled: CompiledRoute[S]) -> Rank:
    return compiled.rank
