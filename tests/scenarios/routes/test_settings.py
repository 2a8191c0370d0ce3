"""Two services of one file with the same backends and different settings, with all processes."""

import asyncio
import json
import ssl

import pytest

from tests.certificates import Authority
from tests.environment import answers, read_request
from tests.scenarios.routes.catalog import answered, ask

pytestmark = pytest.mark.slow


def table(path, *services):
    """Write a file: each service is a name, its backends and its settings."""
    lines = []
    for name, addresses, settings in services:
        backends = ",".join(addresses)
        lines += [f"[services.{name}]", f'routes = ["/{name}"]', f'backends = "{backends}"', *settings]
    path.write_text("\n".join(lines) + "\n")


async def states(pylb, service):
    """The state of each backend of a service, by address."""
    _, text = await pylb.get("/api/backends")
    return {row["address"]: row["state"] for row in json.loads(text) if row["service"] == service}


async def setting(pylb, service, name):
    """The value and the origin of a setting in force."""
    _, text = await pylb.get(f"/api/services/{service}")
    return next((row["value"], row["origin"]) for row in json.loads(text)["settings"] if row["name"] == name)


async def eventually(condition):
    """Wait until a condition is met."""
    async with asyncio.timeout(20):
        while not await condition():
            await asyncio.sleep(0.02)


async def reached(pylb, service, expected):
    """Wait until backends of a service have these states."""

    async def met():
        return expected.items() <= (await states(pylb, service)).items()

    await eventually(met)


async def sick(reader, writer):
    """Serve requests, but fail the health check."""
    while head := await read_request(reader):
        status = b"503 Sick" if b" /health " in head else b"200 OK"
        writer.write(b"HTTP/1.1 %b\r\nContent-Length: 4\r\n\r\nsick" % status)


async def test_only_the_service_with_probes_excludes_a_backend_that_fails_them(program, tmp_path):
    path = tmp_path / "routes.toml"
    pylb = program("--routes", str(path))
    origins = [(await pylb.origin(handler)).endpoint.authority for handler in (sick, None)]
    probes = ['probe-http = "/health"', 'probe-interval = "100ms"']
    table(path, ("probed", origins, probes), ("plain", origins, ()))
    await pylb.start()

    async def both():
        return {text for _, text in [await ask(pylb, "/probed") for _ in range(10)]} == {"sick", "web-2"}

    await reached(pylb, "probed", {origins[0]: "failed"})
    assert (await states(pylb, "plain"))[origins[0]] == "up"
    assert {text for _, text in [await ask(pylb, "/probed") for _ in range(20)]} == {"web-2"}
    assert {text for _, text in [await ask(pylb, "/plain") for _ in range(40)]} == {"sick", "web-2"}
    assert await setting(pylb, "probed", "probe-http") == ("/health", f"{path}, line 4")
    assert await setting(pylb, "plain", "probe-http") == ("", "default")
    table(path, ("probed", origins, ()), ("plain", origins, ()))
    await eventually(both)


async def test_only_the_service_with_ejection_ejects_a_backend_that_fails(program, tmp_path):
    path = tmp_path / "routes.toml"
    pylb = program("--routes", str(path), workers=1)
    broken = answers(b"broken", status=b"503 Broken")
    origins = [(await pylb.origin(handler)).endpoint.authority for handler in (broken, None)]
    strict = ["eject-failures = 1", 'eject-time = "1h"', "retries = 0", 'policy = "round-robin"']
    lenient = ["eject-failures = 0", "retries = 0", 'policy = "round-robin"']
    table(path, ("strict", origins, strict), ("lenient", origins, lenient))
    await pylb.start()
    strict, lenient = [
        [(await ask(pylb, f"/{name}"))[0] for _ in range(20)] for name in ("strict", "lenient")
    ]
    assert (strict.count(503), lenient.count(503)) == (1, 10)
    await reached(pylb, "strict", {origins[0]: "ejected"})
    assert (await states(pylb, "lenient"))[origins[0]] == "up"


async def test_one_service_uses_tls_to_its_backends_and_verifies_them_by_its_ca(program, tmp_path):
    authority = Authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.sign("backend.example"))
    path = tmp_path / "routes.toml"
    pylb = program("--routes", str(path))
    plain = (await pylb.origin()).endpoint.authority
    server = await asyncio.start_server(answers(b"protected"), "127.0.0.1", 0, ssl=context)
    protected = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    tls = ["upstream-tls = true", 'upstream-tls-name = "backend.example"']
    trusted = [*tls, f'upstream-tls-ca = "{authority.certificate}"']
    unknown = [
        *tls,
        "suspect-time = 0",
        "eject-failures = 1",
        'eject-time = "1h"',
        "max-ejection-percent = 100",
    ]
    table(path, ("plain", [plain], ()), ("tls", [protected], trusted), ("unknown", [protected], unknown))
    await pylb.start()
    await answered(pylb, "/plain", "web-1")
    await answered(pylb, "/tls", "protected")
    await answered(pylb, "/unknown", "", 503)
    await reached(pylb, "unknown", {protected: "ejected"})
    assert await states(pylb, "tls") == {protected: "up"}
    server.close()
