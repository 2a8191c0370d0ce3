"""The cost of finding the pool of a request."""

from __future__ import annotations

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.micro.timing import calls
from pylb.policy.pool import Pool
from pylb.policy.route import Routes, parse_route

ROUTES = ["web", "api=/api", "v2=/api/v2", "shop=shop.example.com", "cart=shop.example.com/cart"]


@pytest.mark.parametrize("count", [1, len(ROUTES), 1_000])
@pytest.mark.parametrize("host", [b"www.example.com:8080", b"shop.example.com"])
@pytest.mark.benchmark(group="match")
def test_match(benchmark: BenchmarkFixture, host: bytes, count: int) -> None:
    routes = [parse_route(text) for text in ROUTES[:count]]
    routes += [parse_route(f"s{number}=/s{number}") for number in range(len(routes), count)]
    table = Routes(routes, {route.service: Pool(route.service) for route in routes})
    calls(benchmark, lambda: table.match(host, b"/api/v2/items/4711?sort=name"))
