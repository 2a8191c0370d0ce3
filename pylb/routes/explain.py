"""Words for what becomes of a request: why a route does not receive it, and what a route changes.

It decides nothing: the reasons follow from the tests of the match (`matchers`) and from the order (`order`).
"""

from __future__ import annotations

from typing import Any

from pylb.http1.headers import ClientInfo
from pylb.http1.parser import Request
from pylb.routes.compiled import CompiledRoute
from pylb.routes.match import Match
from pylb.routes.matchers import named_tests
from pylb.routes.order import Tier, order, tier
from pylb.routes.route import Route
from pylb.routes.text import service_text

_PARTS = ("host", "host", "host", "port", "path", "kind of path", "path", "matchers")
"""What each place of the sort key of a route of pylb's own grammar is about, after the tier (`order`)."""

_WORDS = {
    "host": "has a more specific host",
    "port": "names the port",
    "path": "has a longer path",
    "kind of path": "has a more specific kind of path",
    "matchers": "has more matchers",
}

_TIERS = {
    Tier.OWN: "names a host or a path, and is no rule of Traefik",
    Tier.IMPORTED: "is a rule of Traefik, which precedes routes for all hosts and paths",
}
"""Why the routes of a tier precede those of later ones."""


def unmet(match: Match, request: Request, client: ClientInfo) -> str:
    """Return why a request does not meet a match, whose host and path it has."""
    for name, test in named_tests(match):
        if not test(request, client):
            return f"{name} is not met"
    return "its redirect would lead to the URL of the request"


def behind(route: Route, winner: Route) -> str:
    """Return why another route precedes a route that matches as well."""
    return f"{service_text(winner)!r} {_reason(route, winner)}"


def changes(compiled: CompiledRoute[Any], path: bytes) -> tuple[bytes, list[str]]:
    """Return the path that a route forwards, and its other changes as keys of the grammar.

    Raises:
        ValueError: the changed path is invalid; pylb answers with 400.
    """
    actions = compiled.route.actions
    path, stripped = compiled.edit_path(path) if compiled.edit_path else (path, b"")
    found = [f"host={actions.host}"] if actions.host else []
    found += [each.text for each in actions.fields]
    if stripped:
        found.append(f"set:X-Forwarded-Prefix={stripped.decode('latin-1')}")
    return path, found + [f"response-{each.text}" for each in actions.response_fields]


def _reason(route: Route, winner: Route) -> str:
    mine, other = order(route), order(winner)
    if mine[0] != other[0]:
        return _TIERS[tier(winner)]
    if winner.priority is not None:
        return f"has the higher priority {winner.priority}" if mine != other else "is older"
    differing = (
        _PARTS[place] for place, pair in enumerate(zip(mine[1:], other[1:], strict=True)) if len({*pair}) > 1
    )
    part = next(differing, None)
    return _WORDS[part] if part else "is older and as specific"
