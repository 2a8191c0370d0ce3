"""The cost of finding the route of a request, and of its actions."""

from __future__ import annotations

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.micro.timing import calls, changes
from pylb.config.clients import Limits
from pylb.http1.headers import ClientInfo
from pylb.http1.parser import Request, parse_request
from pylb.policy.pool import Pool
from pylb.routes.compiled import CompiledRoute
from pylb.routes.grammar import parse_service
from pylb.routes.path import normalise
from pylb.routes.route import Route
from pylb.routes.table import RouteTable

ROUTES = ["web", "api=/api", "v2=/api/v2", "shop=shop.example.com", "cart=shop.example.com/cart"]
CLIENT = ClientInfo("192.0.2.7", "http")


def declared(count: int) -> list[Route]:
    """The routes above, and others that make as many as wanted: half with a host, half without."""
    routes = [parse_service(text) for text in ROUTES[:count]]
    for number in range(len(routes), count):
        host = f"h{number}.example.com" if number % 2 else ""
        routes.append(parse_service(f"s{number}={host}/s{number}"))
    return routes


def table(routes: list[Route]) -> RouteTable:
    """A table with a pool for each service."""
    return RouteTable(routes, {route.service: Pool(route.service) for route in routes})


def head(host: str, target: str = "/api/v2/items/4711?sort=name") -> Request:
    """A request as the parser returns it."""
    return parse_request(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode(), Limits())


def find(routes: RouteTable, request: Request) -> CompiledRoute | None:
    """What the proxy does with a request."""
    return routes.match(normalise(request.target.partition(b"?")[0]), request, CLIENT)


@pytest.mark.parametrize("count", [1, 20, 1_000, 10_000])
@pytest.mark.parametrize("host", ["www.example.com:8080", "shop.example.com"])
@pytest.mark.benchmark(group="match")
def test_match(benchmark: BenchmarkFixture, host: str, count: int) -> None:
    routes, request = table(declared(count)), head(host)
    calls(benchmark, lambda: find(routes, request))


@pytest.mark.parametrize("count", [1_000, 10_000])
@pytest.mark.benchmark(group="compile")
def test_compile(benchmark: BenchmarkFixture, count: int) -> None:
    routes = declared(count)
    pools = {route.service: Pool(route.service) for route in routes}
    changes(benchmark, lambda: RouteTable(routes, pools))
