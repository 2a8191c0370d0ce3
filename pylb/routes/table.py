"""The route table: all routes, compiled once. Frozen; a change makes a new table with the next generation.

`only` is the pool of all requests if there is one route and it changes nothing; then no lookup is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import random

from pylb.http1.headers import ClientInfo
from pylb.http1.parser import Request
from pylb.policy.pool import Pool
from pylb.routes.compiled import CompiledRoute
from pylb.routes.index import HostIndex, PathIndex
from pylb.routes.order import Tier, tier
from pylb.routes.path import normalise
from pylb.routes.places import compile_path
from pylb.routes.resolve import is_catch_all, resolve
from pylb.routes.route import Route
from pylb.routes.share import Shares


@dataclass(frozen=True, slots=True)
class Candidate:
    """A route whose host and path match a request, and what became of it."""

    route: Route
    wins: bool
    why: str
    """Why it receives the request or does not, as text."""


class RouteTable:
    """All routes of a worker.

    Args:
        routes: the declarations, the oldest first.
        pools: the pool of each service; None in a process that explains routes and forwards no requests.
        generation: increases with each table.
        draw: returns a random number from 0 to 1, without 1; divides requests by weight.
    """

    def __init__(
        self,
        routes: Sequence[Route],
        pools: Mapping[str, Pool] | None,
        generation: int = 0,
        draw: Callable[[], float] = random,
    ) -> None:
        served, self.problems = resolve(routes)
        self.generation = generation
        self.routes = tuple(group[0] for group in served)
        """The routes in the order of precedence; of those that share a match, the oldest."""
        compiled = [_compile(group, pools, draw, rank) for rank, group in enumerate(served)]
        tiers: dict[Tier, list[CompiledRoute]] = {each: [] for each in Tier}
        for route in compiled:
            tiers[tier(route.route)].append(route)
        self._own = HostIndex(tiers[Tier.OWN])
        self._imported = HostIndex(tiers[Tier.IMPORTED]) if tiers[Tier.IMPORTED] else None
        self._rest = PathIndex(tiers[Tier.REST])
        self.takes_all = len(compiled) == 1 and _takes_all(compiled[0])
        """Whether there is one route, it takes all requests, and it changes nothing."""
        self.only = compiled[0].pool if self.takes_all else None
        """The pool of all requests, if one route takes all of them."""

    def match(self, path: bytes, request: Request, client: ClientInfo) -> CompiledRoute | None:
        """Return the route of a request, or None if no route takes it.

        Args:
            path: of the request, in normal form.
            request: its head.
            client: the client, for routes that depend on it.
        """
        found = self._find(path, request, client)
        if found is None or found.shares is None:
            return found
        return found.shares.choose(request, client)

    def pool(self, request: Request, client: ClientInfo) -> Pool | None:
        """Return the pool of a request; None if no route takes it, or pylb answers it."""
        if self.only is not None:
            return self.only
        try:
            found = self.match(normalise(request.target.partition(b"?")[0]), request, client)
        except ValueError:
            return None
        return None if found is None else found.pool

    def explain(self, path: bytes, request: Request, client: ClientInfo) -> list[Candidate]:
        """Return all routes whose host and path match a request, in the order of precedence."""
        winner = self.match(path, request, client)
        found: list[Candidate] = []
        for candidate in sorted(self._candidates(path, request.host), key=lambda each: each.rank):
            shared = candidate.shares is not None and winner in candidate.shares.members
            wins = candidate is winner or shared
            if wins and winner is not None:
                why = "its share of the requests" if shared else "the first route that matches"
                found.append(Candidate(winner.route, True, why))
            elif not candidate.meets(request, client):
                found.append(Candidate(candidate.route, False, "a matcher is not met"))
            else:
                found.append(Candidate(candidate.route, False, "a route before it matches"))
        return found

    def _find(self, path: bytes, request: Request, client: ClientInfo) -> CompiledRoute | None:
        host = request.host
        for index in self._own.paths(host):
            found = index.first(path, request, client)
            if found is not None:
                return found
        if self._imported is not None:
            for candidate in sorted(self._imported.candidates(path, host), key=lambda each: each.rank):
                if candidate.meets(request, client):
                    return candidate
        return self._rest.first(path, request, client)

    def _candidates(self, path: bytes, host: bytes) -> Iterator[CompiledRoute]:
        yield from self._own.candidates(path, host)
        if self._imported is not None:
            yield from self._imported.candidates(path, host)
        yield from self._rest.candidates(path)


def _compile(
    group: tuple[Route, ...], pools: Mapping[str, Pool] | None, draw: Callable[[], float], rank: int
) -> CompiledRoute:
    compiled = [
        CompiledRoute(
            route,
            pools[route.service] if pools is not None and route.has_pool else None,
            compile_path(route.match),
            rank,
        )
        for route in group
    ]
    first = compiled[0]
    if first.route.share is not None:
        weights = [route.share.weight for route in group if route.share]
        by = next((route.share.by for route in group if route.share and route.share.by), "")
        first.shares = Shares(compiled, weights, by, draw)
    return first


def _takes_all(compiled: CompiledRoute) -> bool:
    route = compiled.route
    return compiled.plain and route.share is None and is_catch_all(route)
