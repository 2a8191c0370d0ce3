"""More services than a Consul agent takes connections from one address."""

import asyncio

import aiohttp
import psutil
import pytest

from pylb.config import Options, Url
from pylb.control.control import Control
from pylb.observe.counters import Counters
from pylb.observe.shared_counters import SharedCounters
from pylb.runtime.lifecycle import TaskScope
from tests.until import until

pytestmark = pytest.mark.slow

SERVICES = [f"many-{number}" for number in range(300)]


async def register(session, service, number):
    content = {
        "Node": f"many-host-{number}",
        "Address": f"127.0.0.{number}",
        "Service": {"ID": f"{service}-{number}", "Service": service, "Port": 80},
    }
    async with session.put("/v1/catalog/register", json=content) as answer:
        assert answer.status == 200


def connections(port):
    """Those of this process to a port."""
    found = psutil.Process().net_connections("tcp")
    return [c for c in found if c.raddr and c.raddr.port == port and c.status == psutil.CONN_ESTABLISHED]


async def test_three_hundred_services_become_ready_and_follow_changes_over_sixteen_connections(own_consul):
    async with aiohttp.ClientSession(own_consul.url) as session:
        await asyncio.gather(*(register(session, service, 1) for service in SERVICES))
    found = {}

    def deliver(snapshot, applied):
        found[snapshot.service] = {endpoint.id for endpoint in snapshot.endpoints}
        applied()

    options = Options(consul=Url("http", "127.0.0.1", own_consul.port), service=tuple(SERVICES))
    control = Control(options, SERVICES, deliver, Counters(SharedCounters(), lambda: 0.0))
    async with TaskScope("control") as scope:
        control.start(scope)
        await until(lambda: found == {service: {f"{service}-1"} for service in SERVICES}, seconds=20)
        assert len(connections(own_consul.port)) <= 16
        async with aiohttp.ClientSession(own_consul.url) as session:
            for service in (SERVICES[0], SERVICES[-1]):
                await register(session, service, 2)
                await until(lambda: found[service] == {f"{service}-1", f"{service}-2"})  # noqa: B023
        assert not [each.status.error for each in control.pipelines.values() if each.status.error]
