"""The bounds of what services may claim in the catalog: `--catalog-allow SERVICE=HOST/PATH,...`.

A program that can register an instance can write any tag. Without bounds, one registration takes the
requests of another service. With bounds, a service claims what is listed for it, or for `*`, nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pylb.routes.match import ANY_HOST, Host, Labels, Match, PathKind, read_host, read_path
from pylb.routes.quote import quoted

_SERVICE = re.compile(r"[^\s/=,]+")


@dataclass(frozen=True, slots=True)
class Bound:
    """A place that a service may claim, with all that is below it."""

    service: str
    """`*` for each service."""
    host: Host = ANY_HOST
    """With a wildcard, each host below the name."""
    path: str = ""

    def contains(self, service: str, match: Match) -> bool:
        """Whether all requests of a match are within the bound."""
        if self.service not in ("*", service):
            return False
        return self._contains_host(match.host) and self._contains_path(match)

    def _contains_host(self, host: Host) -> bool:
        if self.host in (ANY_HOST, host):
            return True
        if self.host.labels is not Labels.ANY:
            return False
        below = host.name.endswith(f".{self.host.name}")
        return below or (host.labels is Labels.ONE and host.name == self.host.name)

    def _contains_path(self, match: Match) -> bool:
        literal = match.literal
        if not self.path or literal.startswith(f"{self.path}/"):
            return True
        return literal == self.path and match.kind in {PathKind.EXACT, PathKind.SEGMENTS}


def read_bounds(text: str) -> tuple[Bound, ...]:
    """Read `shop=shop.example.com/cart,*.shop.example.com`.

    Raises:
        ValueError: the text is invalid; the message quotes it.
    """
    service, equals, places = text.partition("=")
    if not equals or not _SERVICE.fullmatch(service) or not places:
        raise ValueError(f"{quoted(text)}, expected SERVICE=HOST/PATH,...")
    return tuple(_bound(service, place) for place in places.split(","))


def _bound(service: str, place: str) -> Bound:
    host, slash, path = place.partition("/")
    if not place:
        raise ValueError(f"{quoted(service)} with an empty place, expected a host or a path")
    return Bound(
        service,
        read_host(host) if host not in {"", "*"} else ANY_HOST,
        read_path(slash + path) if slash else "",
    )


def permitted(bounds: Iterable[Bound], service: str, match: Match) -> bool:
    """Whether a service may claim a match. Without bounds it may claim anything."""
    listed = tuple(bounds)
    return not listed or any(bound.contains(service, match) for bound in listed)
