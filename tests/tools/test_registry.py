"""`pylb registry` as a process: registration, discovery, the end, and errors at the start."""

import asyncio
import contextlib
import signal
import socket
import sys

import pytest

from pylb import cli
from pylb.clients.consul import ConsulClient
from pylb.clients.consul_agent import ConsulAgent
from pylb.config.kinds import Address
from pylb.config.parse import parse
from pylb.discovery.sources.consul.feed import ConsulFeed
from pylb.discovery.sources.consul.provider import ConsulProvider
from pylb.discovery.status import DiscoveryStatus
from pylb.tools.registry import RegistryOptions
from tests.registries import consul_at

pytestmark = pytest.mark.slow


@contextlib.asynccontextmanager
async def registry(*arguments):
    """A registry in a process; yields the process and the URL that it prints."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pylb", "registry", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        line = await asyncio.wait_for(process.stdout.readline(), 20)
        yield process, line.decode().removeprefix("registry listens on ").strip()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_service_is_registered_discovered_and_deregistered():
    async with registry("--listen", "127.0.0.1:0") as (process, url):
        settings = consul_at(url)
        feed = ConsulFeed(settings)
        provider = ConsulProvider(feed, "web", status=DiscoveryStatus("web"))
        async with ConsulClient(settings) as client, feed, contextlib.aclosing(provider.watch()) as snapshots:
            agent = ConsulAgent(client)
            assert (await asyncio.wait_for(anext(snapshots), 5)).endpoints == ()
            await agent.register({"ID": "web-1", "Name": "web", "Address": "127.0.0.1", "Port": 9001})
            (endpoint,) = (await asyncio.wait_for(anext(snapshots), 5)).endpoints
            assert (endpoint.id, endpoint.authority) == ("web-1", "127.0.0.1:9001")
            await agent.deregister("web-1")
            assert (await asyncio.wait_for(anext(snapshots), 5)).endpoints == ()
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.communicate(), 10) == (b"", b"")
        assert process.returncode == 0


async def test_ctrl_c_ends_it_during_a_blocking_query():
    async with registry("--listen", "[::1]:0") as (process, url):
        _, writer = await asyncio.open_connection("::1", int(url.rpartition(":")[2]))
        writer.write(b"GET /v1/catalog/services?index=99&wait=5m HTTP/1.1\r\nHost: x\r\n\r\n")
        await writer.drain()
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), 10) == 0
        writer.close()


def test_a_port_in_use_is_a_one_line_error_with_code_1(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert cli.main(["registry", "--listen", address]) == 1
    line = f"pylb: --listen: cannot listen on {address}: Address already in use\n"
    assert capsys.readouterr() == ("", line)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--listen", "8500"], "--listen: got '8500', expected host:port, [IPv6]:port or unix:/path"),
        (
            ["--listen", "unix:/run/consul.sock"],
            "--listen: got 'unix:/run/consul.sock', expected host:port or [IPv6]:port",
        ),
        (["--lisen", "127.0.0.1:0"], "'--lisen' is not a known option; did you mean --listen?"),
    ],
)
def test_a_mistake_is_one_line_and_code_2(arguments, line, capsys):
    assert cli.main(["registry", *arguments]) == 2
    assert capsys.readouterr() == ("", f"pylb: {line}\n")


def test_consuls_own_port_on_loopback_is_the_default():
    assert parse(RegistryOptions, [], {}).listen == Address("127.0.0.1", 8500)
