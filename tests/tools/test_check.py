import asyncio
import json
import subprocess
import sys

import pytest
from aiohttp import ClientSession

from pylb.registry.embedded import DevRegistry

pytestmark = pytest.mark.slow


def check(*arguments):
    command = [sys.executable, "-m", "pylb", "check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"})
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def routes(tmp_path):
    path = tmp_path / "routes.toml"
    path.write_text('[services.web]\nroutes = ["/a", "/b strip=/b"]\nbackends = "127.0.0.1:9"\n')
    return path


def test_valid_options_and_files_are_counted(routes):
    assert check("--routes", str(routes)) == (0, "valid: 1 services, 2 routes\n", "")
    code, text, _ = check(
        "--static", "127.0.0.1:9", "--service", "api=/api", "--routes", str(routes), "--json"
    )
    assert (code, json.loads(text)) == (0, {"services": 2, "routes": 3, "problems": []})


def test_a_file_with_an_error_is_a_problem_with_its_line(routes):
    routes.write_text('[services.web]\npolicy = "none"\n')
    reason = f"--routes: {routes}, line 2: policy: got 'none', expected one of least-connections"
    code, text, errors = check("--routes", str(routes))
    assert (code, errors) == (1, "")
    assert text.startswith(f"routes: {reason}")
    assert text.count("\n") == 1
    code, text, _ = check("--routes", str(routes), "--json")
    (problem,) = json.loads(text)["problems"]
    assert (code, problem["what"]) == (1, "routes")
    assert problem["problem"].startswith(reason)


def test_a_certificate_and_a_registry_that_cannot_be_used_are_problems(tmp_path):
    pem = tmp_path / "x.pem"
    pem.write_text("no certificate")
    tls = ["--listen-tls", "127.0.0.1:0", "--tls-cert", str(pem), "--tls-key", str(pem)]
    code, text, _ = check("--consul", "127.0.0.1:1", "--service", "web", *tls)
    assert code == 1
    certificate, registry = text.splitlines()
    assert certificate.startswith("certificates: ")
    assert registry.startswith("registry: Consul at http://127.0.0.1:1 does not answer")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--nonsense"], "'--nonsense' is not a known option"),
        (["--static", "a:1", "--service", "web="], "--service: 'web=' ends where a host or path should be"),
        (["--catalog"], "--catalog: expected --consul HOST:PORT or --docker with it"),
    ],
)
def test_a_usage_error_has_its_own_exit_code(arguments, message):
    code, text, errors = check(*arguments)
    assert (code, text) == (2, "")
    assert errors.startswith(f"pylb: {message}")
    assert errors.count("\n") == 1


def test_the_state_directory_is_checked(tmp_path):
    (tmp_path / "file").write_text("")
    code, text, _ = check("--static", "a:1", "--state-dir", str(tmp_path / "file" / "state"))
    assert code == 1
    assert text.startswith("state directory: --state-dir: cannot create")


async def test_a_registry_that_responds_is_no_problem():
    registry = DevRegistry()
    await registry.start()
    assert await asyncio.to_thread(check, "--consul", str(registry.address), "--catalog") == (
        0,
        "valid: 0 services, 0 routes\n",
        "",
    )
    await registry.stop()


def test_routes_and_settings_that_contradict_each_other_are_problems(routes):
    routes.write_text('[services.web]\nroutes = ["/a policy=random", "/b policy=round-robin"]\n')
    code, text, _ = check("--static", "127.0.0.1:9", "--service", "api=/a", "--routes", str(routes))
    assert code == 1
    setting, route = text.splitlines()
    assert setting == (
        f"routes: {routes}, line 2: setting policy: got 'round-robin', but the service has 'random' already"
    )
    assert route.startswith(f"routes: {routes}, line 2: ")
    assert "is for the same requests" in route


def test_the_files_of_each_service_are_checked(routes, tmp_path):
    pem = tmp_path / "x.pem"
    pem.write_text("no certificate")
    routes.write_text(f'[services.web]\nbackends = "127.0.0.1:9"\nupstream-tls-ca = "{pem}"\n')
    code, text, _ = check("--routes", str(routes))
    assert code == 1
    assert text.startswith("connections to backends: web: --upstream-tls: ")
    assert text.count("\n") == 1


async def put(consul, key, text):
    async with ClientSession() as session, session.put(f"{consul.url}/v1/kv/{key}", data=text) as answer:
        assert answer.status == 200


async def test_the_keys_of_a_prefix_are_checked(consul):
    await put(consul, "check/web", 'routes = ["/web"]')
    arguments = ("--consul", consul.http, "--routes", "consul:check")
    assert await asyncio.to_thread(check, *arguments) == (0, "valid: 1 services, 1 routes\n", "")
    await put(consul, "check/bad", 'policy = "none"')
    code, text, _ = await asyncio.to_thread(check, *arguments)
    assert code == 1
    assert text.startswith("routes: consul:check/bad: consul:check/bad, line 1: policy: got 'none'")


async def test_a_right_that_the_token_lacks_is_a_problem(guarded_consul):
    token = guarded_consul.issue('node_prefix "" { policy = "read" }')["SecretID"]
    arguments = ("--consul", guarded_consul.url, "--token", token, "--service", "web")
    code, text, _ = await asyncio.to_thread(check, *arguments)
    reason = 'the token lacks service:read on "web"'
    assert (code, text) == (1, f"registry: web: Consul hides instances from this token, {reason}\n")
