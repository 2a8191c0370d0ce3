"""Changes of processes do not affect TLS clients."""

import asyncio
import re
import signal
import ssl
from pathlib import Path

import pytest

from tests.certificates import Authority

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.mark.logs_error(r"reload refused|certificates have changed but cannot be used")
async def test_all_workers_use_the_certificates_also_after_reload_and_upgrade(program, authority):
    certificate, key = map(Path, authority.sign("shop.example"))
    context = ssl.create_default_context(cafile=authority.certificate)
    pylb = program("--tls-cert", str(certificate), "--tls-key", str(key))
    await pylb.origin()
    both = ("--listen", "127.0.0.1:0", "--listen-tls", "127.0.0.1:0", "--admin", "127.0.0.1:0")
    await pylb.start(*both, serving=False)
    greeting = await pylb.logged(r"listens on 127.0.0.1:\d+, 127.0.0.1:(\d+) \(TLS\) for static")

    async def ask():
        opening = asyncio.open_connection(
            "127.0.0.1", int(greeting[1]), ssl=context, server_hostname="shop.example"
        )
        reader, writer = await asyncio.wait_for(opening, 20)
        writer.write(b"GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(-1), 20)
        writer.close()
        return re.match(rb"HTTP/1.1 200 OK\r\n.*web-1$", answer, re.DOTALL) is not None

    # The kernel chooses a worker by the client's port: so many connections reach both.
    assert all([await ask() for _ in range(16)])
    key_was = key.read_text()
    key.write_text("broken")
    pylb.send(signal.SIGHUP)
    await pylb.logged("reload refused")
    assert await ask()
    key.write_text(key_was)
    pylb.send(signal.SIGHUP)
    await pylb.logged("generation 2 serves")
    assert all([await ask() for _ in range(16)])
    pylb.send(signal.SIGUSR2)
    assert await pylb.ended() == 0
    assert all([await ask() for _ in range(16)])


async def s_client(port, *arguments):
    """What OpenSSL's client says of a connection."""
    process = await asyncio.create_subprocess_exec(
        *("openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-ign_eof", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    request = b"GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n"
    output, _ = await asyncio.wait_for(process.communicate(request), 20)
    return output.decode()


async def test_every_worker_resumes_a_session_also_after_a_reload(program, authority, tmp_path):
    certificate, key = authority.sign("shop.example")
    pylb = program("--tls-cert", certificate, "--tls-key", key)
    await pylb.origin()
    listen = ("--listen", "127.0.0.1:0", "--listen-tls", "127.0.0.1:0", "--admin", "127.0.0.1:0")
    await pylb.start(*listen, serving=False)
    port = (await pylb.logged(r"listens on 127.0.0.1:\d+, 127.0.0.1:(\d+) \(TLS\) for static"))[1]
    session = str(tmp_path / "session")
    assert "\nNew, TLS" in await s_client(port, "-sess_out", session)
    for _ in range(8):
        assert "\nReused, TLS" in await s_client(port, "-sess_in", session)
    for process in pylb.family():
        values = process.environ().values()
        assert not [value for value in values if re.search("[0-9a-f]{64}", value)], "no place for keys"
    pylb.send(signal.SIGHUP)
    await pylb.logged("generation 2 serves")
    for _ in range(8):
        assert "\nReused, TLS" in await s_client(port, "-sess_in", session)


async def test_an_invalid_certificate_is_a_one_line_error(program, tmp_path):
    for name in ("broken.pem", "broken.key"):
        (tmp_path / name).write_text("broken")
    pylb = program(
        *("--tls-cert", str(tmp_path / "broken.pem"), "--tls-key", str(tmp_path / "broken.key")),
        *("--listen-tls", "127.0.0.1:0"),
    )
    await pylb.origin()
    await pylb.start(serving=False)
    assert await pylb.ended() == 1
    (line,) = pylb.lines
    assert re.match(r"pylb: TLS: .*broken.pem", line)
