"""What an operator decides holds in every process, and outlives control."""

import asyncio

import aiohttp
import pytest

from tests.until import until

pytestmark = pytest.mark.slow


@pytest.mark.logs_error(r"control \(pid \d+\) was killed by SIGKILL")
async def test_overrides_apply_to_all_workers_and_survive_control(program):
    pylb = program()
    for _ in range(3):
        await pylb.origin()
    await pylb.start()
    drained = pylb.origins[0].endpoint.authority

    async def decide(**decision):
        url = f"{pylb.admin}/api/overrides"
        async with aiohttp.ClientSession() as http, http.post(url, json=decision) as answer:
            assert answer.status == 201, await answer.text()
            return await answer.json()

    async def listed():
        async with aiohttp.ClientSession() as http, http.get(f"{pylb.admin}/api/overrides") as answer:
            return await answer.json()

    async def served():
        """Who answers, over many fresh connections, and so from every worker."""
        names = set()
        for _ in range(40):
            names.add((await pylb.get("/", admin=False))[1])
        return names

    made = [
        await decide(service="static", action="drain", backend=drained, seconds=3600, reason="new kernel"),
        await decide(service="static", action="policy", policy="random"),
        await decide(action="log-level", level="debug"),
    ]
    assert await served() == {"web-2", "web-3"}
    await pylb.logged(r"worker \d .*log level is debug", 2)
    (control,) = pylb.processes("control")
    control.kill()
    await until(lambda: [p for p in pylb.processes("control") if p.pid != control.pid], 20)
    async with pylb.clients(4) as clients:
        await clients.more()
    assert clients.failures == {}
    assert "web-1" not in clients.answers
    await pylb.logged(r"control .*log level is debug", 2)

    async def answering():
        try:
            return await listed()
        except aiohttp.ClientConnectionError:
            return []

    async def back():
        while not (found := await answering()):
            pass
        return found

    assert await back() == made
    async with aiohttp.ClientSession() as http:
        for each in made:
            async with http.delete(f"{pylb.admin}/api/overrides/{each['id']}") as answer:
                assert answer.status == 200
    await pylb.logged(r"worker \d .*log level is info", 2)
    async with asyncio.timeout(30):  # Who comes back begins with few requests.
        while await served() != {"web-1", "web-2", "web-3"}:
            pass
