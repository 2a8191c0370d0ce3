"""The policy `hash` on two nodes of four workers, which send each other nothing."""

import asyncio
from collections import Counter

import aiohttp
import pytest

from tests.scenarios.processes.program import Program

pytestmark = pytest.mark.slow

CLIENTS = 10_000
AT_ONCE = 64


async def owners(url):
    """The instance of each client, asked on connections that all workers accept."""
    found = {}
    numbers = iter(range(CLIENTS))

    async def ask(session):
        for number in numbers:
            async with session.get(url, headers={"X-User": f"user-{number}"}) as response:
                found[number] = await response.text()

    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        await asyncio.gather(*(ask(session) for _ in range(AT_ONCE)))
    return found


async def test_all_workers_of_two_nodes_choose_the_same_instance(program, tmp_path):
    options = ("--policy", "hash", "--hash-on", "header:X-User", "--hash-balance-factor", "off")
    one = program(*options, workers=4)
    for _ in range(5):
        await one.origin()
    directory = tmp_path / "other"
    directory.mkdir()
    async with Program(directory, *options, workers=4) as other:
        other.origins = [*reversed(one.origins)]
        for node in (one, other):
            await node.start()
        found = await owners(one.url)
        assert found == await owners(other.url)
    shares = Counter(found.values())
    assert len(shares) == 5
    assert max(shares.values()) < 1.1 * CLIENTS / 5
