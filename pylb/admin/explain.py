"""Explains the route and the backend of a request as a JSON object. Nothing here changes state."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pylb.admin.protocol import protocols
from pylb.admin.service import of_request
from pylb.admin.views import View
from pylb.config.clients import Limits
from pylb.errors import ProxyError
from pylb.http1.headers import ClientInfo
from pylb.http1.parser import Request, parse_request
from pylb.policy.explain import explain as explain_pick
from pylb.policy.picker import HASH
from pylb.policy.rows import ServiceRow
from pylb.routes.compiled import CompiledRoute
from pylb.routes.explain import changes
from pylb.routes.path import normalise
from pylb.routes.table import Candidate
from pylb.routes.text import service_text

NO_CLIENT = ClientInfo("", "http")
"""A client without an address and without TLS."""


def explain(
    view: View, host: str, target: str, method: str = "GET", fields: Iterable[str] = ()
) -> dict[str, Any]:
    """Return the route and the backend that a request would get, and the reasons.

    Args:
        view: the process.
        host: the Host field; empty for a request of HTTP/1.0 without one.
        target: path and query.
        method: the method.
        fields: other header fields, each as `name: value`.
    """
    lines = [f"{method} {target} HTTP/1.{int(bool(host))}", *([f"Host: {host}"] if host else []), *fields]
    head = "".join(f"{line}\r\n" for line in (*lines, "")).encode()
    try:
        request = parse_request(head, Limits())
        path = request.target.partition(b"?")[0]
        if not view.routes.takes_all:
            path = normalise(path)
    except (ProxyError, ValueError) as error:
        return _nothing(f"the request is invalid: {error}")
    candidates = view.routes.explain(path, request, NO_CLIENT)
    winner = next((candidate.compiled for candidate in candidates if candidate.wins), None)
    if winner is None:
        return {**_nothing(f"no route matches {target} on host {host or '-'}"), **_routes(candidates)}
    route = winner.route
    if route.blocked:
        return {**_nothing(f"the route is blocked: {route.blocked}", route.service), **_routes(candidates)}
    if not route.has_pool:
        return {**_nothing("pylb answers the request itself", route.service), **_routes(candidates)}
    return {
        **_pick(view, route.service),
        **_routes(candidates),
        **_forwarded(view, winner, request, path),
        "settings": of_request(view, route),
    }


def _pick(view: View, service: str) -> dict[str, Any]:
    """The backend that the next request of a service would get."""
    view.refresh()
    pool, winner = view.rows.row(service), view.rows.upcoming(service)
    explained = explain_pick(pool, view.clock())
    protocol = protocols(view, service)
    for candidate, backend in zip(explained["candidates"], pool.eligible, strict=True):
        candidate["wins"] = candidate["address"] == winner
        others = bool(backend.idle or backend.in_flight)
        candidate["protocol"] = protocol(backend.endpoint.protocol, backend.http2_connections, others)
    return {
        **explained,
        "winner": winner,
        "why": _why(pool) if winner else pool.why_empty(),
    }


def _why(pool: ServiceRow) -> str:
    """Why a backend is the next one; for a keyed policy, that of a request without a key."""
    keyless = ", for a request without a key" if pool.policy == HASH else ""
    return f"{pool.policy} among {len(pool.eligible)}{keyless}"


def _nothing(why: str, service: str | None = None) -> dict[str, Any]:
    return {"service": service, "why": why, "winner": None, "candidates": [], "excluded": [], "routes": []}


def _routes(candidates: Iterable[Candidate]) -> dict[str, Any]:
    """The routes whose host and path match, in the order of precedence."""
    return {
        "routes": [
            {
                "route": service_text(candidate.route),
                "source": candidate.route.source,
                "wins": candidate.wins,
                "why": candidate.why,
            }
            for candidate in candidates
        ]
    }


def _forwarded(view: View, winner: CompiledRoute[Any], request: Request, path: bytes) -> dict[str, Any]:
    """The target that a backend would receive, None if the route refuses the path; and the other changes."""
    if view.routes.takes_all:
        return {"target": request.target.decode("latin-1"), "changes": []}
    _, mark, query = request.target.partition(b"?")
    try:
        path, changed = changes(winner, path)
    except ValueError:
        return {"target": None, "changes": []}
    return {"target": (path + mark + query).decode("latin-1"), "changes": changed}
