"""`--routes consul:PREFIX`: each key declares one service; a bad one is excluded alone."""

import pytest

from tests.scenarios.routes.catalog import answered, no_problem, problem

pytestmark = pytest.mark.slow


async def test_keys_declare_services_and_a_bad_one_is_excluded_alone(program, declaring):
    pylb = program("--consul", declaring.consul.http, "--routes", "consul:routes")
    one, two = await pylb.origin(), await pylb.origin()
    await declaring.register("one", one)
    await declaring.key("one", 'routes = ["/one"]')
    await pylb.start()
    await answered(pylb, "/one", "web-1")
    await declaring.key("two", f'routes = ["/two"]\nbackends = "{two.endpoint.authority}"')
    await answered(pylb, "/two", "web-2")
    await declaring.key("bad", 'routes = ["/bad strip=x"]')
    await problem(pylb, "consul:routes/bad, line 1")
    await declaring.key("one", 'routes = ["/eins"]')
    await answered(pylb, "/eins", "web-1")
    await answered(pylb, "/two", "web-2")
    await declaring.delete_key("bad")
    await no_problem(pylb, "consul:routes/bad")
    await declaring.delete_key("two")
    await answered(pylb, "/two", "no service", 404)


async def test_keys_outlive_a_consul_that_does_not_respond(program, declaring):
    pylb = program("--consul", declaring.consul.http, "--routes", "consul:routes")
    one = await pylb.origin()
    await declaring.key("one", f'routes = ["/one"]\nbackends = "{one.endpoint.authority}"')
    await pylb.start()
    await answered(pylb, "/one", "web-1")
    declaring.consul.kill()
    await problem(pylb, "consul:routes/ cannot be read")
    await answered(pylb, "/one", "web-1")
    declaring.consul.start()
    await no_problem(pylb, "cannot be read")
