import asyncio
import os
import re
import signal
import subprocess
import sys
from contextlib import asynccontextmanager

import pytest

from pylb.config.parse import parse
from pylb.errors import UsageError
from pylb.tools.demo.backend import BackendOptions

pytestmark = pytest.mark.slow


class Service:
    """A running `pylb demo-backend`."""

    def __init__(self, process, announcement):
        self.process = process
        self.announcement = announcement
        self.url = announcement.split()[-1]
        self.host, self.port = self.url.removeprefix("http://").split(":")

    async def ended(self):
        async with asyncio.timeout(10):
            return await self.process.wait()


@asynccontextmanager
async def started(*arguments, **streams):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PYLB_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pylb", "demo-backend", *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=clean,
        **streams,
    )
    try:
        async with asyncio.timeout(20):
            yield Service(process, (await process.stdout.readline()).decode().rstrip())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_it_prints_its_address_and_serves_there(http):
    async with started("--name", "web-1") as service:
        assert re.fullmatch(r"web-1 listens on http://127\.0\.0\.1:\d+", service.announcement)
        async with http.get(service.url) as answer:
            assert "answered by web-1 at" in await answer.text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_signal_ends_it_after_requests_and_connections_have_ended(http, number):
    async with started() as service, begun(http, service, "/slow?seconds=0.5") as running:
        service.process.send_signal(number)
        assert (await fetch(http, service.url))[0] == 200  # For clients that have not applied the change yet.
        assert (await running.read()).startswith(b"HTTP/1.1 200 OK\r\n")
        await http.close()
        assert await service.ended() == 0


async def fetch(http, url):
    async with http.get(url) as answer:
        return answer.status, await answer.text()


@asynccontextmanager
async def begun(http, service, path):
    """Send a request, and wait until it has arrived: the response to a later request shows that."""
    reader, writer = await asyncio.open_connection(service.host, service.port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {service.host}\r\nConnection: close\r\n\r\n".encode())
        assert (await fetch(http, service.url))[0] == 200
        yield reader
    finally:
        writer.close()


async def test_a_second_signal_ends_it_immediately(http):
    async with started() as service, begun(http, service, "/slow?seconds=20") as running:
        while service.process.returncode is None:
            service.process.terminate()
            await asyncio.sleep(0.01)
        assert service.process.returncode == -signal.SIGTERM
        assert await running.read() == b""


async def test_it_ends_with_standard_input(http):
    async with started("--until-eof", stdin=subprocess.PIPE) as service:
        service.process.stdin.write(b"what is said on it does not matter\n")
        async with begun(http, service, "/slow?seconds=20") as running:
            service.process.stdin.close()
            assert await service.ended() == 0
            assert await running.read() == b""


async def test_without_until_eof_standard_input_may_be_closed(http):
    async with started(stdin=subprocess.DEVNULL) as service:
        assert (await fetch(http, service.url))[0] == 200


async def test_it_registers_and_deregisters_before_it_stops(http, registry, statuses):
    async with started("--name", "one", "--register", f"{registry.host}:{registry.port}") as service:
        instance = f"one-{service.port}"
        while await statuses() != {instance: "passing"}:
            await asyncio.sleep(0.01)
        async with http.get(service.url) as answer:  # a connection that the client would keep
            await answer.read()
            service.process.terminate()
            while await statuses():
                await asyncio.sleep(0.01)
            assert (await fetch(http, service.url))[
                0
            ] == 200  # For clients that have not applied the change yet.
        await http.close()
        assert await service.ended() == 0
        left = (await service.process.stdout.read()).decode().splitlines()
        assert left == [
            f"{instance} is registered as web at {service.host}:{service.port}",
            f"{instance} is deregistered",
        ]


def test_a_port_in_use_is_a_one_line_error_with_code_1():
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = subprocess.run(
            [sys.executable, "-m", "pylb", "demo-backend", "--listen", address],
            capture_output=True,
            text=True,
            timeout=20,
        )
    assert ended.returncode == 1
    assert ended.stderr == f"pylb: --listen: cannot listen on {address}: Address already in use\n"


@pytest.mark.parametrize("name", ["", "a b", "a/b", "x" * 64])
def test_an_invalid_name_is_rejected(name):
    with pytest.raises(UsageError, match=r"--name: got .*, expected a name of letters"):
        parse(BackendOptions, ["--name", name], {})
