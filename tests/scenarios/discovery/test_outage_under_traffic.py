"""Consul is killed, restarts empty and is filled again under load: no request fails.

`OUTAGE_SECONDS=60 pytest tests/scenarios/discovery/test_outage_under_traffic.py` makes it last.
"""

import asyncio
import os
import sys
import time
import urllib.request

import aiohttp
import pytest

from bench.lib.ports import free_port
from tests.until import until

pytestmark = pytest.mark.slow

OUTAGE = float(os.environ.get("OUTAGE_SECONDS", "2"))
CLIENTS = 16


class Traffic:
    """Clients that ask again as soon as they are answered, each on one connection."""

    def __init__(self, url):
        self.url = url
        self.answered = 0
        self.failed = []
        self.by = set()
        self.gap = 0.0
        self._stop = False

    async def run(self):
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            await asyncio.gather(*(self._client(session) for _ in range(CLIENTS)))

    async def _client(self, session):
        while not self._stop:
            began = time.monotonic()
            try:
                async with session.get(self.url, timeout=aiohttp.ClientTimeout(total=10)) as response:
                    text = await response.text()
                    if response.status == 200:
                        self.answered += 1
                        self.by.add(text)
                    else:
                        self.failed.append((response.status, text))
            except aiohttp.ClientError as error:
                self.failed.append(repr(error))
            self.gap = max(self.gap, time.monotonic() - began)
            await asyncio.sleep(0.002)

    def stop(self):
        self._stop = True


async def instance(name):
    """A web service that answers with its name."""

    async def handle(reader, writer):
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(name), name.encode()))

    async def connected(reader, writer):
        try:
            await handle(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            writer.close()

    return await asyncio.start_server(connected, "127.0.0.1", 0)


def register(agent, name, port):
    body = b'{"Name": "web", "ID": "%b", "Address": "127.0.0.1", "Port": %d}' % (name.encode(), port)
    request = urllib.request.Request(f"{agent.url}/v1/agent/service/register", body, method="PUT")
    urllib.request.urlopen(request, timeout=5).close()


async def test_no_request_fails(own_consul):
    names = ["web-1", "web-2", "web-3"]
    servers = {name: await instance(name) for name in [*names, "web-4"]}
    ports = {name: server.sockets[0].getsockname()[1] for name, server in servers.items()}
    for name in names:
        await asyncio.to_thread(register, own_consul, name, ports[name])
    port = free_port()
    pylb = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pylb", "--consul", own_consul.http, "--service", "web"),
        *("--listen", f"127.0.0.1:{port}", "--admin", "off"),
        stderr=asyncio.subprocess.DEVNULL,
    )
    traffic = Traffic(f"http://127.0.0.1:{port}/")

    async def answers():
        try:
            async with aiohttp.ClientSession() as session, session.get(traffic.url) as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False

    try:
        deadline = time.monotonic() + 10
        while not await answers():
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        running = asyncio.ensure_future(traffic.run())  # noqa: TID251

        await until(lambda: traffic.by == set(names))
        await asyncio.to_thread(own_consul.kill)
        end = time.monotonic() + OUTAGE
        await until(lambda: time.monotonic() > end, seconds=OUTAGE + 5)
        await asyncio.to_thread(own_consul.start)
        back = time.monotonic() + 1.0
        await until(lambda: time.monotonic() > back)
        for name in ("web-2", "web-3", "web-4"):
            await asyncio.to_thread(register, own_consul, name, ports[name])
        removed = time.monotonic()
        traffic.by.clear()
        await until(lambda: "web-4" in traffic.by)

        async def right():
            """Whether the next 200 answers come from the three that are registered now."""
            traffic.by.clear()
            enough = traffic.answered + 200
            await until(lambda: traffic.answered >= enough)
            return traffic.by == {"web-2", "web-3", "web-4"}

        while not await right():
            assert time.monotonic() - removed < 5, traffic.by
        traffic.stop()
        await running
        print(
            f"{OUTAGE:g} s without Consul: {traffic.answered} answered, {len(traffic.failed)} failed, ",
            end="",
        )
        print(
            f"longest wait {traffic.gap * 1000:.0f} ms, pool right {time.monotonic() - removed:.1f} s after"
        )
        assert traffic.failed == []
        assert traffic.answered > 100
    finally:
        pylb.terminate()
        await pylb.wait()
        for server in servers.values():
            server.close()
