"""Reload, upgrade and stop under HTTP/2: no stream fails, and clients connect again on GOAWAY."""

import asyncio
import signal
from collections import Counter
from contextlib import asynccontextmanager, suppress

import pytest

from tests.proxy.h2.client import H2Client
from tests.until import until

pytestmark = pytest.mark.slow

STREAMS = 8
TIMEOUT = 60.0


class Clients:
    """Clients that keep a few streams open all the time, and take a new connection when theirs is drained."""

    def __init__(self, url):
        host, port = url.removeprefix("http://").split(":")
        self._address = host, int(port)
        self.answers = 0
        self.failures = Counter()
        self.connections = 0
        self.stop = False

    async def run(self):
        while not self.stop:
            try:
                _, client = await asyncio.get_running_loop().create_connection(H2Client, *self._address)
            except OSError as error:
                self.failures[f"connecting: {error.strerror}"] += 1
                continue
            self.connections += 1
            client.h2.initiate_connection()
            client.flush()
            await asyncio.gather(*(self._ask(client) for _ in range(STREAMS)))
            client.transport.abort()

    async def _ask(self, client):
        """Send one request after the other until the connection is drained."""
        while not (self.stop or client.goaways or client.closed):
            number = client.begin()
            client.flush()
            reply = client.replies[number]
            await until(lambda reply=reply: reply.over or client.closed, TIMEOUT)
            if reply.ended and reply.status == 200:
                self.answers += 1
            elif client.goaways and number > min(last for last, _ in client.goaways):
                pass  # pylb has not processed it; the client may send it again.
            else:
                self.failures[f"status {reply.status}, reset {reply.reset}, closed {client.closed}"] += 1

    async def more(self, count=100):
        """Wait for so many more answers."""
        wanted = self.answers + count
        await until(lambda: self.answers >= wanted, TIMEOUT)


@asynccontextmanager
async def asking(url, count=4):
    """Let so many clients ask."""
    clients = Clients(url)
    tasks = [asyncio.get_running_loop().create_task(clients.run()) for _ in range(count)]
    try:
        yield clients
    finally:
        clients.stop = True
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*tasks), TIMEOUT)


async def test_reloads_and_an_upgrade_fail_no_stream(program):
    pylb = program(workers=2)
    for _ in range(2):
        await pylb.origin()
    await pylb.start()
    async with asking(pylb.url) as clients:
        await clients.more()
        for number in (2, 3):
            pylb.send(signal.SIGHUP)
            await pylb.logged(f"generation {number} serves")
            await clients.more()
        pylb.send(signal.SIGUSR2)
        assert await pylb.ended() == 0
        await clients.more()
    assert clients.failures == {}
    assert clients.connections > 4


async def test_h2load_sees_no_failed_stream_in_many_short_runs_during_reloads(program):
    """h2load does not connect again after a GOAWAY, so each connection sends all its requests at once."""
    pylb = program(workers=2)
    await pylb.origin()
    await pylb.start()
    runs = 0
    for number in range(2, 5):
        pylb.send(signal.SIGHUP)
        serves = asyncio.get_running_loop().create_task(pylb.logged(f"generation {number} serves"))
        while not serves.done():
            process = await asyncio.create_subprocess_exec(
                *("h2load", "-n", "40", "-c", "4", "-m", "10", pylb.url + "/"),
                stdout=asyncio.subprocess.PIPE,
            )
            output, _ = await process.communicate()
            runs += 1
            assert b"40 succeeded, 0 failed, 0 errored, 0 timeout" in output, output.decode()
    assert runs > 3
