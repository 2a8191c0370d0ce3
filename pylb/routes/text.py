"""Writes a route as `grammar` reads it, for the API, the log and the dashboard.

Facts that only imported routes have (a wildcard for one label, the priority of a rule) are not a part of the
grammar; `Route.source` names the tag that has them.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from pylb.routes.actions import Actions
from pylb.routes.match import Match, PathKind
from pylb.routes.route import Route, Share


def service_text(route: Route) -> str:
    """Return the route as a value of `--service`."""
    place = route.match.place or ("/" if route.match.kind is not PathKind.SEGMENTS else "")
    return shlex.join([f"{route.service}={place}" if place else route.service, *_keys(route)])


def route_text(route: Route) -> str:
    """Return the route without its service."""
    return shlex.join([*filter(None, [route.match.place]), *_keys(route)])


def _keys(route: Route) -> Iterator[str]:
    yield from _matchers(route.match)
    yield from _actions(route.actions)
    if route.share is not None:
        yield from _share(route.share)
    yield from (f"{name}={value}" for name, value in route.settings)


def _matchers(match: Match) -> Iterator[str]:
    if match.kind is not PathKind.SEGMENTS:
        yield f"path={match.kind.value}"
    if match.methods:
        yield f"method={','.join(match.methods)}"
    yield from (f"header:{name}={value}" for name, value in match.headers)
    yield from (f"query:{name}={value}" for name, value in match.queries)
    if match.scheme:
        yield f"scheme={match.scheme}"


def _actions(actions: Actions) -> Iterator[str]:
    if actions.allow:
        yield f"allow={','.join(actions.allow)}"
    if actions.deny:
        yield f"deny={','.join(actions.deny)}"
    yield from (f"strip={path}" for path in actions.strip)
    if actions.rewrite:
        yield f"rewrite={actions.rewrite[0]}->{actions.rewrite[1] or '/'}"
    if actions.prepend:
        yield f"prepend={actions.prepend}"
    if actions.host:
        yield f"host={actions.host}"
    yield from (action.text for action in actions.fields)
    yield from (f"response-{action.text}" for action in actions.response_fields)
    if actions.redirect:
        yield f"redirect={actions.redirect.status},{actions.redirect.url}"
    if actions.respond:
        text = f",{actions.respond.text}" if actions.respond.text else ""
        yield f"respond={actions.respond.status}{text}"


def _share(share: Share) -> Iterator[str]:
    yield f"weight={share.weight:.6f}".rstrip("0").rstrip(".")
    if share.by:
        yield f"weight-by={share.by}"
