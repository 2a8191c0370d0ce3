"""How soon a change is known; what is known is the contract's business."""

import asyncio
import statistics
import time

import pytest


async def test_a_change_reaches_a_waiting_reader_within_milliseconds(session, url):
    async def register(port):
        body = {"Name": "web", "Port": port}
        async with session.put(f"{url}/v1/agent/service/register", json=body) as answer:
            assert answer.status == 200

    async def seen(index):
        """The next answer: when it came, its index, and the port that it shows."""
        async with session.get(f"{url}/v1/health/service/web?index={index}&wait=10s") as answer:
            (entry,) = await answer.json()
            return time.perf_counter(), answer.headers["X-Consul-Index"], entry["Service"]["Port"]

    await register(0)
    _, index, _ = await seen(0)
    delays = []
    for port in range(1, 30):
        async with asyncio.TaskGroup() as tasks:
            reader = tasks.create_task(seen(index))
            await asyncio.sleep(0.005)
            started = time.perf_counter()
            await register(port)
        arrived, index, shown = reader.result()
        assert shown == port
        delays.append(arrived - started)
    assert statistics.median(delays) < 0.02


@pytest.mark.parametrize(
    "path",
    ["agent/services", "agent/checks", "catalog/nodes", "health/service/web", "health/state/any"],
)
async def test_a_read_with_a_filter_expression_is_rejected(session, url, path):
    async with session.get(f"{url}/v1/{path}?filter=Node==x") as answer:
        assert answer.status == 501
