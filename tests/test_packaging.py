"""The files that ship pylb say the same as the code: names of options, ports, dependencies."""

import ast
import importlib.metadata
import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import pylb
from pylb import cli
from pylb.config import Address, Options
from pylb.config.option import options
from pylb.config.parse import parse
from tests.every import every
from tests.syntax import tree

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((ROOT / "compose.yml").read_text())
SERVICES = COMPOSE["services"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ENOUGH = ["--static", "127.0.0.1:80"]


def instructions(dockerfile):
    """(instruction, arguments) line by line, as `docker build` reads them."""
    without_comments = re.sub(r"^#.*\n", "", dockerfile, flags=re.MULTILINE)
    joined = without_comments.replace("\\\n", "")
    return [line.split(maxsplit=1) for line in joined.splitlines() if line.strip()]


LAST_STAGE = instructions(DOCKERFILE)
LAST_STAGE = LAST_STAGE[max(i for i, (name, _) in enumerate(LAST_STAGE) if name == "FROM") :]
IMAGE = dict(LAST_STAGE)
ENVIRONMENT = dict(word.split("=", 1) for word in shlex.split(IMAGE["ENV"]))


def test_the_image_sets_existing_options():
    known = set().union(*cli.all_variables())
    assert {name for name in ENVIRONMENT if name.startswith("PYLB_")} <= known
    started = parse(Options, ENOUGH, ENVIRONMENT, cli.all_variables)
    assert started.listen == (Address("0.0.0.0", 80),)
    assert started.admin == Address("0.0.0.0", 8081)
    assert IMAGE["EXPOSE"].split() == ["80", "8081"]


def test_the_image_runs_pylb_without_root():
    assert json.loads(IMAGE["ENTRYPOINT"]) == [next(iter(PROJECT["scripts"]))]
    user = IMAGE["USER"].partition(":")[0]
    assert user.isdecimal()
    assert user != "0"


def test_the_image_includes_the_files_for_the_build():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {
        f"!{name}" for name in ("pyproject.toml", PROJECT["readme"], *PROJECT["license-files"], "pylb")
    } <= set(ignored)


@pytest.mark.parametrize(("status", "code"), [("200 OK", 0), ("503 Service Unavailable", 1)])
async def test_the_health_check_succeeds_if_the_admin_port_responds(status, code, aiohttp_server):
    from aiohttp import web

    async def health(request):
        return web.Response(status=int(status.split()[0]))

    app = web.Application()
    app.router.add_get("/health", health)
    server = await aiohttp_server(app)
    assert await run_health_check(server.port) == code


async def test_the_health_check_fails_if_nothing_listens(unused_tcp_port):
    assert await run_health_check(unused_tcp_port) != 0


async def run_health_check(port):
    import asyncio

    command = json.loads(IMAGE["HEALTHCHECK"].partition("CMD ")[2])
    assert command[0] == "python3"
    script = command[2].replace("8081", str(port))
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stderr=subprocess.DEVNULL)
    return await process.wait()


def compose_command(name):
    return shlex.split(SERVICES[name]["command"])


def test_composes_load_balancer_starts_with_these_options():
    started = parse(Options, compose_command("lb"), ENVIRONMENT, cli.all_variables)
    assert started.consul.host in SERVICES
    assert started.service == (SERVICES["web"]["labels"]["SERVICE_8000_NAME"],)
    published = {port.rpartition(":")[2] for port in SERVICES["lb"]["ports"]}
    assert published == {str(address.port) for address in (*started.listen, started.admin)}
    assert float(SERVICES["lb"]["stop_grace_period"].rstrip("s")) > started.drain_timeout


def test_composes_web_service_starts_with_these_options():
    name, *arguments = compose_command("web")
    started = parse(cli.resolve_name(cli.COMMANDS[name].options), arguments, {})
    assert [str(started.listen.port)] == SERVICES["web"]["expose"]


def test_composes_web_service_can_be_scaled():
    assert not {"container_name", "ports", "hostname"} & set(SERVICES["web"])


def test_composes_registrator_reaches_engine_and_consul():
    name, *arguments = compose_command("registrator")
    started = parse(cli.resolve_name(cli.COMMANDS[name].options), arguments, ENVIRONMENT, cli.all_variables)
    assert started.consul.host in SERVICES
    assert started.internal, "nothing but the load balancer is published"
    socket = started.docker_host.path
    assert SERVICES["registrator"]["volumes"] == [f"{socket}:{socket}:ro"]


def test_services_with_the_images_health_check_have_an_admin_port():
    for name, service in SERVICES.items():
        if service.get("image") == "pylb" and "healthcheck" not in service:
            command = compose_command(name)
            options_of = cli.COMMANDS.get(command[0], cli.COMMANDS[cli.DEFAULT]).options
            started = parse(
                cli.resolve_name(options_of),
                command[command[0] in cli.COMMANDS :],
                ENVIRONMENT,
                cli.all_variables,
            )
            assert started.admin.port == 8081


def test_every_variable_that_compose_sets_is_an_option():
    text = (ROOT / "compose.yml").read_text()
    assert set(re.findall(r"PYLB_[A-Z_]+", text)) <= {o.variable for o in options(Options)}


def test_the_installed_version_is_that_of_the_package():
    assert importlib.metadata.version("pylb") == pylb.__version__


def imported_packages():
    """Top-level packages that pylb imports and neither is nor finds in the standard library."""
    names = set()
    for path in (ROOT / "pylb").rglob("*.py"):
        for node in ast.walk(tree(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add(node.module)
    return {name.partition(".")[0] for name in names} - {"pylb"} - set(sys.stdlib_module_names)


def normal(name):
    """A distribution's name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_imported_package_is_a_declared_dependency():
    extras = PROJECT["optional-dependencies"]
    requirements = [*PROJECT["dependencies"], *extras["tracing"], *extras["plot"]]
    declared = {normal(re.match(r"[\w.-]+", requirement)[0]) for requirement in requirements}
    distributions = importlib.metadata.packages_distributions()
    sources = {name: set(map(normal, distributions[name])) for name in imported_packages()}
    assert {name: found for name, found in sources.items() if not declared & found} == {}


MAKE = ["make", "--dry-run", "--always-make"]


@every(
    ("verb", "words"),
    [
        ("demo", ["-m venv", "--editable '.'", "pylb demo"]),
        (
            "test",
            ["--editable '.[dev]'", "tests/components.py ", "ruff check", "mypy", "lint-imports", "pytest"],
        ),
        ("check", ["ruff format --check", 'pytest -n 4 --dist worksteal -m "not slow"']),
        ("bench", ["--editable '.[bench]'", "bench.hotpath"]),
        ("bench-report", ["--editable '.[bench]'", "-m bench.report"]),
        ("docs", ["pylb.config > docs/config.md.new"]),
    ],
)
def test_the_make_targets_run_their_commands(verb, words):
    planned = subprocess.run([*MAKE, verb], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert [word for word in words if word not in planned] == []


def test_continuous_integration_runs_the_same_commands():
    assert (ROOT / ".ci" / "run").read_text().splitlines()[-1] == "exec make test"
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111
