"""`pylb plan` against a running pylb and against a log."""

import asyncio
import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


def plan(*arguments):
    done = subprocess.run([sys.executable, "-m", "pylb", "plan", *arguments], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


async def test_recorded_requests_are_replayed_against_proposed_routes(program, tmp_path):
    pylb = program("--record-requests", "1000", "--service", "web", "--service", "api=/api")
    await pylb.origin()
    await pylb.start()
    for path in ("/", "/cart/1?secret=1", "/cart/2", "/api/x"):
        await pylb.get(path, admin=False)
    admin = pylb.admin.removeprefix("http://")
    path = tmp_path / "routes.toml"
    path.write_text('[services.cart]\nroutes = ["/cart"]\nbackends = "127.0.0.1:9"\n')
    arguments = ["--admin", admin, "--routes", str(path), "--json"]

    async def result():
        code, text, errors = await asyncio.to_thread(plan, *arguments)
        assert errors == ""
        return code, json.loads(text)

    code, found = await result()
    while found["total"] < 4:  # The workers send what they have recorded once a second.
        code, found = await result()
    assert (code, found["total"], found["changed"]) == (1, 4, 2)
    (group,) = found["groups"]
    assert (group["kind"], group["prefix"], group["before"], group["after"]) == (
        "moved",
        "/cart",
        "web",
        "cart",
    )
    assert "secret" not in json.dumps(found)
    code, text, _ = await asyncio.to_thread(
        plan, "--admin", admin, "--service", "web", "--service", "api=/api"
    )
    assert (code, text) == (0, "0 of 4 recorded requests would be treated differently\n")


async def test_without_a_record_the_option_is_named(program):
    pylb = program()
    await pylb.origin()
    await pylb.start()
    code, text, errors = await asyncio.to_thread(
        plan, "--admin", pylb.admin.removeprefix("http://"), "--service", "web"
    )
    assert (code, text) == (2, "")
    assert errors.startswith("pylb: this pylb records no requests: start it with --record-requests 10000")


def test_a_log_is_compared_without_a_running_pylb(tmp_path):
    log = tmp_path / "access.log"
    log.write_text('{"method": "GET", "host": "shop.io", "target": "/cart", "service": "web"}\n')
    code, text, _ = plan("--admin", "off", "--access-log-file", str(log), "--service", "api=/api")
    assert code == 1
    assert text.splitlines()[0] == "1 of 1 recorded requests would be treated differently"
    assert "no longer routed" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--admin", "off", "--service", "web"], "--admin off: expected --access-log-file FILE with it"),
        ([], "expected proposed routes: --routes FILE, --service"),
    ],
)
def test_a_usage_error_is_one_line(arguments, message):
    code, text, errors = plan(*arguments)
    assert (code, text) == (2, "")
    assert errors.startswith(f"pylb: {message}")
