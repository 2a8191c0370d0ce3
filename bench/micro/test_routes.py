"""The cost of finding the route of a request, and of its actions."""

from __future__ import annotations

from dataclasses import replace
from itertools import cycle

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.micro.timing import calls, changes
from pylb.config.clients import Limits
from pylb.http1.headers import ClientInfo
from pylb.http1.parser import Request, parse_request
from pylb.policy.pool import Pool
from pylb.routes.compiled import CompiledRoute
from pylb.routes.declaration import declare
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


def table(routes: list[Route]) -> RouteTable[Pool]:
    """A table with a pool for each service."""
    pools = {route.service: Pool(route.service) for route in routes}
    return RouteTable(declare(routes), lambda route: pools[route.service])


def head(host: str, target: str = "/api/v2/items/4711?sort=name") -> Request:
    """A request as the parser returns it."""
    return parse_request(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode(), Limits())


def find(routes: RouteTable[Pool], request: Request) -> CompiledRoute[Pool] | None:
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
    changes(benchmark, lambda: table(routes))


@pytest.mark.parametrize("count", [1_000, 10_000])
@pytest.mark.benchmark(group="change of one route")
def test_change(benchmark: BenchmarkFixture, count: int) -> None:
    """One service gets another path, and then its former one."""
    routes = declared(count)
    before = table(routes)
    *_, one = declare(routes)
    other = replace(
        one, routes=tuple(replace(each, match=replace(each.match, path="/x")) for each in one.routes)
    )
    after = before.changed([one], [other], 1)
    tables, states = cycle([after, before]), cycle([(other, one), (one, other)])

    def change() -> None:
        former, new = next(states)
        next(tables).changed([former], [new], 2)

    changes(benchmark, change)
