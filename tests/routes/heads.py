"""Requests and clients for tests of routes, made by the parser that serves requests."""

from __future__ import annotations

from pylb.config.clients import Limits
from pylb.http1.headers import ClientInfo
from pylb.http1.parser import Request, parse_request
from pylb.policy.networks import Networks
from pylb.policy.pool import Pool
from pylb.routes.declaration import declare
from pylb.routes.grammar import parse_service
from pylb.routes.path import normalise
from pylb.routes.table import RouteTable

CLIENT = ClientInfo("192.0.2.7", "http")
SECURE = ClientInfo("192.0.2.7", "https")
PROXIED = ClientInfo("10.0.0.1", "http", proxies=Networks(["10.0.0.0/8"]))


def head(target="/", host="a.example", *fields, method="GET") -> Request:
    lines = "".join(f"{line}\r\n" for line in ((f"Host: {host}", *fields) if host else fields))
    version = "1.1" if host else "1.0"
    return parse_request(f"{method} {target} HTTP/{version}\r\n{lines}\r\n".encode(), Limits())


def table(*texts, **how) -> RouteTable:
    """A table of routes as `--service` has them."""
    return compiled([parse_service(text) for text in texts], **how)


def compiled(routes, **how) -> RouteTable:
    pools = {route.service: Pool(route.service) for route in routes}
    return RouteTable(declare(routes), lambda route: pools[route.service], **how)


def find(routes: RouteTable, request: Request, client=CLIENT):
    return routes.match(normalise(request.target.partition(b"?")[0]), request, client)


def service(routes: RouteTable, host, target, *fields, client=CLIENT, **how):
    """The service that a request is for, or None."""
    found = find(routes, head(target, host, *fields, **how), client)
    return found and found.route.service
