"""The routes in force, in pages. Nothing here changes state.

Rule: with 10,000 routes a page costs little more than with ten: texts are made for the rows of the page only.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

from pylb.admin.views import View
from pylb.routes.route import Route
from pylb.routes.text import route_text

MOST_ROWS = 500
"""Rows of one page."""


def routes(
    view: View, *, service: str = "", host: str = "", offset: int = 0, limit: int = 100
) -> dict[str, Any]:
    """Return a page of the routes, in the order of precedence.

    Args:
        view: the process.
        service: only routes of this service; empty for all.
        host: only routes whose host contains this text; empty for all.
        offset: how many matching routes to leave out.
        limit: the largest number of rows; at most `MOST_ROWS`.
    """
    table = view.routes
    wanted = [
        route
        for route in table.routes
        if service in {"", route.service} and (not host or host.lower() in str(route.match.host))
    ]
    totals = view.route_totals()
    page = islice(wanted, offset, offset + min(limit, MOST_ROWS))
    return {
        "generation": view.routing_generation(),
        "total": len(table.routes),
        "matching": len(wanted),
        "offset": offset,
        "counted": bool(totals),
        "routes": [
            {**_row(route), "requests": requests, "errors": errors}
            for route in page
            for requests, errors in [totals.get((route.service, route.match.place), (0, 0))]
        ],
    }


def _row(route: Route) -> dict[str, Any]:
    return {
        "match": route.match.place or "/",
        "route": route_text(route),
        "service": route.service,
        "source": route.source,
        "blocked": route.blocked,
        "priority": route.priority,
    }
