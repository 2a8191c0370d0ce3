"""pylb as others find it through Consul: while it is ready, and not a moment longer."""

import asyncio
import signal

import aiohttp
import pytest

from bench.lib.ports import free_ports
from tests.scenarios.processes.program import TIMEOUT, Program
from tests.scenarios.see.deployment import Deployment

pytestmark = pytest.mark.slow


class Found:
    """What Consul tells of a service."""

    def __init__(self, consul, service):
        self.url = f"{consul.url}/v1/health/service/{service}"

    async def entries(self):
        async with aiohttp.ClientSession() as http, http.get(self.url) as answer:
            return [
                (e["Service"]["Address"], e["Service"]["Port"], c["Status"])
                for e in await answer.json()
                for c in e["Checks"]
                if c["ServiceID"]
            ]

    async def become(self, *expected):
        async with asyncio.timeout(TIMEOUT):
            while await self.entries() != list(expected):
                await asyncio.sleep(0.02)


KILLED = pytest.mark.logs_error(r"control \(pid \d+\) was killed by SIGKILL")


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=KILLED)])
async def test_pylb_is_registered_while_ready_and_deregistered_first(consul, tmp_path, workers):
    (port,) = free_ports(1)
    name = f"gateway-{workers}"
    found = Found(consul, name)
    async with Deployment(consul, f"behind-{workers}") as origins:
        await origins.start("b-1")
        options = ("--consul", consul.http, "--service", origins.service, "--register", name)
        async with Program(tmp_path, *options, "--shutdown-delay", "2s", workers=workers) as pylb:
            await pylb.start("--listen", f"127.0.0.1:{port}", "--admin", "127.0.0.1:0")
            await found.become(("127.0.0.1", port, "passing"))
            if workers == 2:
                (control,) = pylb.processes("control")
                control.kill()
                async with pylb.clients(2) as clients:
                    await clients.more()
                    assert await found.entries() == [("127.0.0.1", port, "passing")], "its check has time"
                    await pylb.logged(r"control \[\d+\].* registered as ", 2)
            pylb.send(signal.SIGTERM)
            await found.become()
            async with pylb.clients(1) as clients:
                await clients.more(1)
                assert clients.failures == {}, "who was sent here before is served"
            assert await pylb.ended() == 0
            assert await found.entries() == []
