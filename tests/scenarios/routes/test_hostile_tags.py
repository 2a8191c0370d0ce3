"""A program that registers an instance can write any tag; it affects its own service only."""

import pytest

from tests.scenarios.routes.catalog import answered, ask, problem

pytestmark = pytest.mark.slow


async def test_hostile_tags_concern_their_service_alone(program, declaring):
    pylb = program("--consul", declaring.consul.http, "--catalog")
    good, bad = await pylb.origin(), await pylb.origin()
    await declaring.register("good", good, lb_route="/good")
    await pylb.start()
    await answered(pylb, "/good", "web-1")
    hostile = {
        "long": ["urlprefix-/" + "a" * 200_000],
        "control": ["urlprefix-/c\x01\x00\x1b[31m", "lb_route=/c\r\nX: y"],
        "pattern": ["urlprefix-[x/", "urlprefix-/x[1", "urlprefix-" + "*" * 500 + "/"],
        "variable": ["urlprefix-$X/"],
        "many": [f"urlprefix-/many/{n}" for n in range(3000)],
        "routers": [f"traefik.http.routers.r{n}.rule=Path(`/r{n}`)" for n in range(3000)],
        "nested": ["traefik.http.routers.n.rule=" + "(" * 5000 + "Path(`/n`)" + ")" * 5000],
        "routes": [f"lb_route_{n}=/lots/{n}" for n in range(3000)],
    }
    for service, tags in hostile.items():
        await declaring.register(service, bad, tags=tags)
    for service in hostile:
        text = await problem(pylb, "", service)
        assert len(text) < 1000
        assert text.isprintable()
    await declaring.register("late", good, lb_route="/late")
    await answered(pylb, "/late", "web-1")
    assert await ask(pylb, "/good") == (200, "web-1")
