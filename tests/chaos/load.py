"""Clients that send requests one after the other, as long as they are let, and what became of each."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import count, pairwise

CLIENTS = 12
POST_EVERY = 4
"""One request in so many is a POST."""
GET = b"GET / HTTP/1.1\r\nHost: web\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 5\r\n\r\nhello"
TIMEOUT = 20.0


@dataclass
class Load:
    """Requests to one port."""

    port: int
    pause: float = 0.005
    """Seconds between two requests of a client."""
    tls: tuple[int, ssl.SSLContext] | None = None
    """A port for TLS, and the context to connect with: every other client uses it."""
    ends: list[tuple[float, str, int, float]] = field(default_factory=list)
    """When each ended, its method, its status (0: none), and the seconds that it took."""

    async def __aenter__(self) -> Load:
        self._ending = False
        loop = asyncio.get_running_loop()
        self.started = time.monotonic()
        self._tasks = [loop.create_task(self._client(place)) for place in range(CLIENTS)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ending = True
        await asyncio.wait_for(asyncio.gather(*self._tasks), 2 * TIMEOUT)

    async def _client(self, place: int) -> None:
        connection = None
        port, context = self.tls if self.tls and place % 2 else (self.port, None)
        for number in count():
            if self._ending:
                break
            method = "POST" if number % POST_EVERY == POST_EVERY - 1 else "GET"
            began = time.monotonic()
            try:
                async with asyncio.timeout(TIMEOUT):
                    connection = connection or await asyncio.open_connection("127.0.0.1", port, ssl=context)
                    status = await exchange(*connection, POST if method == "POST" else GET)
            except (OSError, asyncio.IncompleteReadError, TimeoutError):
                status = 0
            if connection and (status == 0 or status >= 500):
                connection[1].close()
                connection = None
            now = time.monotonic()
            self.ends.append((now, method, status, now - began))
            await pause(self.pause)
        if connection:
            connection[1].close()

    @property
    def sent(self) -> int:
        return len(self.ends)

    def failed(self, method: str) -> int:
        return sum(of == method and status != 200 for _, of, status, _ in self.ends)

    @property
    def statuses(self) -> Counter[int]:
        return Counter(status for _, _, status, _ in self.ends)

    @property
    def gap(self) -> float:
        """The longest time in which no request was answered well."""
        good = [self.started, *(end for end, _, status, _ in self.ends if status == 200)]
        return max((later - earlier for earlier, later in pairwise(good)), default=0.0)

    def slowest_after(self, moment: float) -> float:
        """The 99th percentile of how long requests took that ended after a moment."""
        times = sorted(seconds for end, _, _, seconds in self.ends if end > moment)
        return times[int(len(times) * 0.99)]

    async def continue_until(self, until: float) -> None:
        """Let them ask on up to a moment of the monotonic clock."""
        while time.monotonic() < until:
            await asyncio.sleep(0.01)

    async def more(self, requests: int) -> None:
        """Wait until so many more have ended."""
        enough = self.sent + requests
        deadline = time.monotonic() + TIMEOUT
        while self.sent < enough and time.monotonic() < deadline:
            await asyncio.sleep(0.01)


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> int:
    """Send a request and read its answer; return the status."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    await reader.readexactly(int(length))
    return int(head.split(b" ", 2)[1])


async def pause(seconds: float) -> None:
    """Think, as a client does between two requests."""
    done = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(seconds, done.set_result, None)
    await done
