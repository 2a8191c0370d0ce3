"""The total order of routes: which of several routes that match a request receives it.

1. Routes of pylb's own grammar and of fabio's tags, by host (exact, the longest wildcard, none), then by the
   longest path, then by kind of path, then by the number of matchers.
2. Routes of Traefik's rules, by their priority.
3. Routes of pylb's own grammar that name neither a host nor a path.

Of routes that are equal in all this, the older one comes first. Routes of Traefik keep their order among
themselves, since its rules are written for it: there a long host precedes a short path of another rule.
"""

from __future__ import annotations

from enum import IntEnum

from pylb.routes.match import ANY_HOST, Host, Labels, PathKind
from pylb.routes.route import Route

_LABELS = {labels: place for place, labels in enumerate((Labels.NONE, Labels.ONE, Labels.ANY, Labels.GLOB))}
_KINDS = {kind: place for place, kind in enumerate(PathKind)}


class Tier(IntEnum):
    """The three groups of routes, in their order."""

    OWN = 0
    IMPORTED = 1
    REST = 2


def tier(route: Route) -> Tier:
    """Return the group of a route."""
    if route.priority is not None:
        return Tier.IMPORTED
    return Tier.REST if route.match.catches_all else Tier.OWN


def order(route: Route) -> tuple[int, ...]:
    """Return the sort key of a route, without its age."""
    match = route.match
    if route.priority is not None:
        return (Tier.IMPORTED, -route.priority)
    return (
        tier(route),
        *host_order(match.host),
        int(not match.of_port),
        -len(match.literal),
        _KINDS[match.kind],
        -len(match.path),
        -match.matchers,
    )


def host_order(host: Host) -> tuple[int, int, int]:
    """Return the sort key of a host: exact, the longest pattern, none."""
    if host == ANY_HOST:
        return (2, 0, 0)
    return (int(host.labels is not Labels.NONE), -host.weight, _LABELS[host.labels])
