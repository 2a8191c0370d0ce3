"""Origins that answer after a given time and measure how evenly they are busy; all run in one process.

Run as `python -m bench.balance.busy_origin PORT...`. A request for `/0.025` is answered after 25 ms,
regardless of other requests. `GET /imbalance` on any port returns the mean of `busiest / mean - 1` over all
arrivals since the previous call. The first tenth of the arrivals is excluded, because the number of requests
in progress is still growing then.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from functools import partial
from statistics import fmean
from typing import cast

import uvloop

from bench.balance.working_origin import BODY, answer

IMBALANCE_PATH = "/imbalance"


class Site:
    """The requests in progress of all origins.

    Args:
        ports: the ports of the origins.
    """

    def __init__(self, ports: list[int]) -> None:
        self._running = Counter(dict.fromkeys(ports, 0))
        self._peaks: list[float] = []

    def begin(self, port: int) -> None:
        """Count a request that has arrived."""
        self._running[port] += 1
        mean = self._running.total() / len(self._running)
        self._peaks.append(max(self._running.values()) / mean - 1)

    def end(self, port: int) -> None:
        """Count a request that is answered, or whose client has closed its connection."""
        self._running[port] -= 1

    def imbalance(self) -> float:
        """The imbalance of the requests since the previous call."""
        peaks, self._peaks = self._peaks, []
        return fmean(peaks[len(peaks) // 10 :]) if peaks else 0.0


class BusyOrigin(asyncio.Protocol):
    """One connection. Its requests have no body and are not pipelined, so each arrives in one read."""

    _transport: asyncio.Transport

    def __init__(self, site: Site, port: int) -> None:
        self._site = site
        self._port = port
        self._answer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        target = data.split(b" ", 2)[1].decode()
        if target == IMBALANCE_PATH:
            self._transport.write(answer(f"{self._site.imbalance()}\n".encode()))
            return
        self._site.begin(self._port)
        self._answer = asyncio.get_running_loop().call_later(float(target[1:]), self._done)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        if self._answer:
            self._answer.cancel()
            self._site.end(self._port)

    def _done(self) -> None:
        self._answer = None
        self._site.end(self._port)
        self._transport.write(answer(BODY))


async def serve(ports: list[int]) -> None:
    """Listen on all ports until the process is stopped."""
    loop = asyncio.get_running_loop()
    site = Site(ports)
    for port in ports:
        await loop.create_server(partial(BusyOrigin, site, port), "127.0.0.1", port, backlog=4096)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve([int(port) for port in sys.argv[1:]]))
