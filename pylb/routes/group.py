"""The routes whose hosts are equal and whose paths begin with the same characters: the unit of a change.

A request that may meet one of them is compared with each, in their order. All rules between routes apply
within a group, but for one: an imported rule for all requests gives way to one of pylb's own (`table`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from pylb.routes.compiled import CompiledRoute
from pylb.routes.declaration import Age
from pylb.routes.match import ANY_HOST, Host
from pylb.routes.order import Tier, order, tier
from pylb.routes.places import compile_path
from pylb.routes.resolve import Entry, resolve
from pylb.routes.route import Route
from pylb.routes.share import Shares

S = TypeVar("S")


HostKey = tuple[str, str, bool]
"""The name of a host, what may precede it, and whether the routes are for one port of it."""


class GroupKey(NamedTuple):
    """Where a group is in a table."""

    tier: Tier
    host: Host
    of_port: bool
    literal: bytes
    """The characters with which all paths of the group begin."""

    @classmethod
    def of(cls, route: Route) -> GroupKey:
        """Return the place of a route."""
        match, own = route.match, tier(route)
        if own is Tier.REST:
            return cls(own, ANY_HOST, False, match.literal.encode())
        return cls(own, match.host, match.of_port, match.literal.encode())

    @property
    def host_key(self) -> HostKey:
        """The host as a plain value, which costs less to look up."""
        return self.host.name, self.host.labels.value, self.of_port


class Group(Generic[S]):
    """The routes of one place.

    Args:
        entries: the declared routes by age.
        draw: returns a random number from 0 to 1, without 1.
    """

    __slots__ = ("entries", "problems", "routes")

    def __init__(self, entries: dict[Age, Entry[S]], draw: Callable[[], float]) -> None:
        self.entries = entries
        """All declared routes, also those without effect."""
        served, self.problems = resolve(entries.values())
        self.routes = tuple(_compile(sharers, draw) for sharers in served)
        """The routes in the order of precedence; of those that share a match, the oldest."""


def _compile(sharers: tuple[Entry[S], ...], draw: Callable[[], float]) -> CompiledRoute[S]:
    rank = order(sharers[0].route), sharers[0].age
    compiled = [
        CompiledRoute(entry.route, entry.service, compile_path(entry.route.match), rank) for entry in sharers
    ]
    shares = [entry.route.share for entry in sharers if entry.route.share]
    if shares:
        by = next((share.by for share in shares if share.by), "")
        compiled[0].shares = Shares(compiled, [share.weight for share in shares], by, draw)
    return compiled[0]
