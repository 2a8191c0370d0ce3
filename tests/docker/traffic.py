"""Clients of the load balancer in the engine's network."""

import asyncio
import re
import signal
import time
from collections import Counter

import aiohttp

from tests.docker.compose import PAGE, answered_by


class Traffic:
    """Several clients, each with one connection, that ask again and again while the block lasts.

        async with Traffic(engine) as traffic: ...

    What came back is counted: who answered, and what failed.
    """

    def __init__(self, engine, clients=8):
        self.answers = Counter()
        self.first = {}
        """When each instance answered first, in seconds since the epoch."""
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
                    async with client.get(PAGE) as answer:
                        text = await answer.text()
                    if answer.status == 200:
                        name = answered_by(text)
                        self.first.setdefault(name, time.time())
                        self.answers[name] += 1
                    else:
                        self.failures.append(f"{answer.status} {text}")
                except (aiohttp.ClientError, TimeoutError) as error:
                    self.failures.append(repr(error))
                await asyncio.sleep(0.001)


class Wrk:
    """The load generator, at full speed until the block ends; then it is known what it counted."""

    def __init__(self, engine, connections=16):
        self.requests = 0
        self.failures = []
        options = [f"-c{connections}", "-t1", "-d600", "--timeout=20"]
        self._command = engine.inside("wrk", *options, PAGE)
        self._process = None

    async def __aenter__(self):
        self._process = await asyncio.create_subprocess_exec(*self._command, stdout=asyncio.subprocess.PIPE)
        return self

    async def __aexit__(self, *trouble):
        self._process.send_signal(signal.SIGINT)
        output = (await self._process.communicate())[0].decode()
        self.requests = int(re.search(r"(\d+) requests in", output)[1])
        self.failures = re.findall(r"Socket errors: .*|Non-2xx .*", output)


def session(engine):
    connector = aiohttp.TCPConnector(limit=1, socket_factory=engine.socket_in)
    return aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=20))


async def get(engine, url):
    """The status and the text of one answer, None in place of both where there is none."""
    try:
        async with session(engine) as client, client.get(url) as answer:
            return answer.status, await answer.text()
    except aiohttp.ClientError:
        return None, None


async def until_answers_come_from(engine, names, seconds=90.0):
    """Wait until these instances answer, and no other."""
    deadline = time.monotonic() + seconds
    while True:
        found = set()
        for _ in range(8 * len(names)):
            status, text = await get(engine, PAGE)
            found |= {answered_by(text)} if status == 200 else set()
        if found == names:
            return
        assert time.monotonic() < deadline, f"expected answers from {names}, got them from {found}"
