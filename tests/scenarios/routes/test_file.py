"""`--routes FILE`: a change of the file is applied without a reload, whole or not at all."""

import os

import pytest

from tests.scenarios.routes.catalog import answered, no_problem, problem

pytestmark = pytest.mark.slow


def table(path, *services):
    """Write a file: each service is a name, a route and a backend."""
    lines = []
    for name, route, origin in services:
        lines += [f"[services.{name}]", f'routes = ["{route}"]', f'backends = "{origin.endpoint.authority}"']
    path.write_text("\n".join(lines) + "\n")


async def test_a_file_is_applied_when_it_is_written_and_when_it_is_replaced(program, tmp_path):
    path = tmp_path / "routes.toml"
    pylb = program("--routes", str(path))
    one, two = await pylb.origin(), await pylb.origin()
    table(path, ("one", "/one", one))
    await pylb.start()
    workers = {p.pid for p in pylb.processes("worker")}
    await answered(pylb, "/one", "web-1")
    table(path, ("one", "/one", one), ("two", "/two", two))
    await answered(pylb, "/two", "web-2")
    new = tmp_path / "new.toml"
    table(new, ("one", "/other", one), ("two", "/two", one))
    os.rename(new, path)
    await answered(pylb, "/other", "web-1")
    await answered(pylb, "/two", "web-1")
    await answered(pylb, "/one", "no service", 404)
    assert {p.pid for p in pylb.processes("worker")} == workers


async def test_a_broken_file_keeps_the_former_routes_and_names_the_line(program, tmp_path):
    path = tmp_path / "routes.toml"
    pylb = program("--routes", str(path))
    one, two = await pylb.origin(), await pylb.origin()
    table(path, ("one", "/one", one))
    await pylb.start()
    await answered(pylb, "/one", "web-1")
    for broken, line in (
        ('[services.two]\nroutes = ["/two"\n', "line 3"),
        ('[services.two]\nroutes = ["/two strip=two"]\n', "line 2"),
        ('[services.two]\nroutes = ["/two"]\nbackends = "nowhere"\n', "line 3"),
        ('[services.two]\nroutes = ["/two"]\nretries = "many"\n', "line 3"),
        ('[services.two]\nroutes = ["/two"]\nlisten = ":80"\n', "line 3"),
        ("\0", "line 1"),
    ):
        path.write_text(broken)
        text = await problem(pylb, f"routes.toml, {line}")
        assert "\n" not in text
        await answered(pylb, "/one", "web-1")
    path.unlink()
    await problem(pylb, "cannot be read")
    await answered(pylb, "/one", "web-1")
    table(path, ("two", "/two", two))
    await answered(pylb, "/two", "web-2")
    await answered(pylb, "/one", "no service", 404)
    await no_problem(pylb, "routes.toml")


async def test_a_file_changes_the_backends_and_settings_of_a_service(program, tmp_path):
    path = tmp_path / "routes.toml"
    pylb = program("--routes", str(path))
    one, two = await pylb.origin(), await pylb.origin()
    table(path, ("web", "/", one))
    await pylb.start()
    await answered(pylb, "/", "web-1")
    table(path, ("web", "/", two))
    await answered(pylb, "/", "web-2")
    text = path.read_text()
    path.write_text(f'{text}policy = "round-robin"\nmax-body = "1KiB"\n')
    await pylb.logged("the settings have changed")
    assert '"policy":"round-robin"' in (await pylb.get("/api/services"))[1]


async def test_a_static_service_of_a_file_is_served_beside_those_of_the_registry(
    program, tmp_path, declaring
):
    path = tmp_path / "routes.toml"
    pylb = program("--consul", declaring.consul.http, "--catalog", "--routes", str(path))
    one, two, three = await pylb.origin(), await pylb.origin(), await pylb.origin()
    table(path, ("fixed", "/fixed", one))
    await declaring.register("named", two)
    await declaring.register("declares", three, lb_route="/declares")
    path.write_text(path.read_text() + '[services.named]\nroutes = ["/named"]\n')
    await pylb.start()
    await answered(pylb, "/fixed", "web-1")
    await answered(pylb, "/named", "web-2")
    await answered(pylb, "/declares", "web-3")
