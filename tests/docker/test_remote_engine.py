"""An engine that is asked over TLS, as DOCKER_HOST, DOCKER_TLS_VERIFY and DOCKER_CERT_PATH have it."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from contextlib import asynccontextmanager

import pytest

from tests.certificates import Authority
from tests.docker.engine import TLS_ADDRESS
from tests.docker.images import CONSUL, SMALL
from tests.docker.traffic import get

pytestmark = pytest.mark.slow

SERVICES = "http://127.0.0.1:8500/v1/agent/services"


@pytest.fixture
def engine(own_engine):
    """The engine with one container that names a service."""
    own_engine.docker(
        *("run", "--detach", "--name=web", "--env=SERVICE_NAME=web", "--expose=80", SMALL, "sleep", "600")
    )
    yield own_engine
    own_engine.docker("rm", "--force", *own_engine.docker("ps", "--all", "--quiet").split())


def as_remote(engine, certificates):
    """The environment of a client that asks the engine over TCP, with TLS if it has certificates."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYLB_", "DOCKER_"))}
    tls = {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(certificates)} if certificates else {}
    return {**clean, **tls, "DOCKER_HOST": f"tcp://{TLS_ADDRESS}"}


def doctor(engine, certificates):
    """The exit code, and what the doctor has found with only the engine to look at."""
    command = engine.inside(sys.executable, "-m", "pylb", "doctor", "--docker", "--pylb", "off", "--json")
    done = subprocess.run(command, capture_output=True, env=as_remote(engine, certificates))
    assert done.stderr == b""
    return done.returncode, [each["what"] for each in json.loads(done.stdout)]


def test_both_sides_verify_certificates(engine):
    assert doctor(engine, engine.certificates) == (0, [])


def test_the_engine_rejects_clients_without_a_certificate(engine):
    code, (what,) = doctor(engine, None)
    assert code == 3
    assert what.startswith(f"Docker at tcp://{TLS_ADDRESS} does not answer: ")


def test_an_engine_with_an_untrusted_certificate_is_rejected(engine, tmp_path):
    shutil.copytree(engine.certificates, tmp_path, dirs_exist_ok=True)
    shutil.copy(Authority(tmp_path / "stranger").certificate, tmp_path / "ca.pem")
    code, (what,) = doctor(engine, tmp_path)
    assert code == 3
    assert "certificate verify failed" in what


@asynccontextmanager
async def running(engine, *arguments):
    """A command of pylb on the engine's machine, as a client of the remote engine."""
    process = await asyncio.create_subprocess_exec(
        *engine.inside(sys.executable, "-m", "pylb", *arguments),
        env=as_remote(engine, engine.certificates),
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def test_the_registrator_of_a_remote_engine(engine):
    engine.docker("run", "--detach", "--network=host", CONSUL, "agent", "-dev")
    async with running(engine, "registrator", "--internal", "--explicit", "--admin", "off") as process:
        async with asyncio.timeout(30):
            while await web_is_registered(engine) is not True:
                await asyncio.sleep(0.05)
            engine.docker("stop", "--time", "0", "web")
            while await web_is_registered(engine) is not False:
                await asyncio.sleep(0.05)
        process.terminate()
        await process.wait()
    assert process.returncode == 0


async def web_is_registered(engine):
    """None if it is unknown."""
    status, text = await get(engine, SERVICES)
    return "web" in {each["Service"] for each in json.loads(text).values()} if status == 200 else None
