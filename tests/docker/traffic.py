"""Clients of the load balancer in the engine's network."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import aiohttp

URL = "http://127.0.0.1:8080/"
"""The port that the load balancer's container publishes, as seen from the engine's machine."""


class Traffic:
    """Several clients, each with one connection, that ask again and again while the block lasts.

        async with Traffic(engine) as traffic: ...

    What came back is counted: who answered, and what failed.
    """

    def __init__(self, engine, clients=8):
        self.answers = Counter()
        self.failures = []
        self._engine = engine
        self._clients = clients
        self._stop = False
        self._tasks = None

    async def __aenter__(self):
        self._tasks = await asyncio.TaskGroup().__aenter__()
        for _ in range(self._clients):
            self._tasks.create_task(self._ask())
        return self

    async def __aexit__(self, *trouble):
        self._stop = True
        await self._tasks.__aexit__(*trouble)

    async def _ask(self):
        async with session(self._engine) as client:
            while not self._stop:
                try:
                    async with client.get(URL) as answer:
                        text = (await answer.text()).strip()
                    if answer.status == 200:
                        self.answers[text] += 1
                    else:
                        self.failures.append(f"{answer.status} {text}")
                except (aiohttp.ClientError, TimeoutError) as error:
                    self.failures.append(repr(error))
                await asyncio.sleep(0.001)


def session(engine):
    connector = aiohttp.TCPConnector(limit=1, socket_factory=engine.socket_in)
    return aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=20))


async def who_answers(engine, count, seconds=30.0):
    """Wait until so many instances answer; return their names and how long it took."""
    began = time.monotonic()
    async with session(engine) as client:
        while True:
            names = set()
            for _ in range(count * 4):
                try:
                    async with client.get(URL) as answer:
                        names |= {(await answer.text()).strip()} if answer.status == 200 else set()
                except aiohttp.ClientError:
                    pass
            if len(names) == count:
                return names, time.monotonic() - began
            assert time.monotonic() - began < seconds, f"expected {count} to answer, found {names}"
            await asyncio.sleep(0.02)
