import asyncio
import os
import signal
import sys

import aiohttp
import pytest

from pylb.clients.docker import Engine
from pylb.config.parse import parse
from pylb.errors import StartError, UsageError
from pylb.registry.embedded import DevRegistry
from pylb.registry.place import Rules
from pylb.tools import registrator
from pylb.tools.registrator import RegistratorOptions, read_rules
from tests.containers.inspected import inspected
from tests.every import every
from tests.until import until

ENGINE = Engine("TIY7:4CFD", "machine")


def read(*arguments, **environment):
    return parse(RegistratorOptions, arguments, environment)


def test_entries_are_marked_with_the_id_of_the_engine():
    assert read_rules(read(), ENGINE, "10.0.0.1") == Rules(
        owner="TIY7:4CFD", hostname="machine", host_address="10.0.0.1"
    )


@every(
    ("arguments", "field", "value"),
    [
        (["--internal"], "internal", True),
        (["--ip", "10.1.1.1"], "ip", "10.1.1.1"),
        (["--use-ip-from-label", "addr"], "ip_label", "addr"),
        (["--tags", r"a,b\,c"], "tags", ("a", "b,c")),
        (["--explicit"], "explicit", True),
        (["--require-label"], "require_label", True),
        (["--deregister", "on-success"], "keep_failed", True),
        (["--ttl", "90s"], "ttl", 90.0),
        (["--hostname", "me"], "hostname", "me"),
        (["--network", "front"], "network", "front"),
    ],
)
def test_each_option_sets_a_rule(arguments, field, value):
    assert getattr(read_rules(read(*arguments), ENGINE, ""), field) == value


def test_the_variables_of_docker_are_read(tmp_path):
    options = read(DOCKER_HOST="tcp://engine:2376", DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH=str(tmp_path))
    assert str(options.docker_host) == "tcp://engine:2376"
    assert (options.docker_tls, options.docker_certs) == (True, str(tmp_path))


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--docker-host", "engine"], "--docker-host: got 'engine', expected unix:///path, tcp://host:port"),
        (["--docker-tls"], "--docker-tls: expected --docker-certs with it"),
        (["--deregister", "never"], "--deregister: got 'never', expected one of always, on-success"),
    ],
)
def test_mistakes(arguments, line):
    with pytest.raises(UsageError, match=line):
        read(*arguments)


def test_unreadable_certificates_are_a_one_line_error(tmp_path):
    options = read("--docker-host", "tcp://127.0.0.1:1", "--docker-tls", "--docker-certs", str(tmp_path))
    with pytest.raises(StartError, match="--docker-certs: expected ca"):
        registrator.run(options)


@pytest.mark.slow
async def test_containers_are_registered_and_the_command_ends_on_a_signal(engine, tmp_path):
    registry = DevRegistry()
    await registry.start()
    engine.run(inspected("web-1"))
    page = tmp_path / "admin.sock"
    arguments = ["--docker-host", engine.url, "--consul", registry.address, "--admin", f"unix:{page}"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pylb", "registrator", "--internal", *arguments, stderr=asyncio.subprocess.PIPE
    )
    try:
        await until(page.exists, 20)
        async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(page))) as session:
            assert await registered(session) == 1
            async with session.get("http://registrator/metrics") as answer:
                assert "pylb_registrator_services 1.0" in await answer.text()
        os.kill(process.pid, signal.SIGTERM)
        _, log = await asyncio.wait_for(process.communicate(), 10)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0
    assert b"registered machine:web-1:80 as web" in log
    assert b"Traceback" not in log
    await registry.stop()


async def registered(session):
    deadline = asyncio.get_running_loop().time() + 10
    while asyncio.get_running_loop().time() < deadline:
        try:
            async with session.get("http://registrator/health") as answer:
                if count := (await answer.json())["registered"]:
                    return count
        except aiohttp.ClientConnectorError:
            pass
        await asyncio.sleep(0.01)
    return None
