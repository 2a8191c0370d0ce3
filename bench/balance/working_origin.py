"""Instances that process one request at a time, each for a given time; all run in one process.

Run as `python -m bench.balance.working_origin PORT...`. A request for `/0.025` takes 25 ms and starts when
all earlier requests to the same port are finished.
"""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from typing import cast

import uvloop

BODY = b"ok\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n"


def answer(body: bytes) -> bytes:
    """A complete response with status 200."""
    return HEAD % len(body) + body


class Instance:
    """The queue of one port."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._done = 0.0
        """Loop time at which all accepted requests are finished."""

    def work(self, seconds: float, transport: asyncio.Transport) -> None:
        """Work for `seconds` after all earlier requests, then answer."""
        self._done = max(self._done, self._loop.time()) + seconds
        self._loop.call_at(self._done, transport.write, answer(BODY))


class WorkingOrigin(asyncio.Protocol):
    """One connection. Its requests have no body and are not pipelined, so each arrives in one read."""

    _transport: asyncio.Transport

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        target = data.split(b" ", 2)[1]
        self._instance.work(float(target[1:] or 0), self._transport)


async def serve(ports: list[int]) -> None:
    """Listen on all ports until the process is stopped."""
    loop = asyncio.get_running_loop()
    for port in ports:
        instance = Instance()
        await loop.create_server(partial(WorkingOrigin, instance), "127.0.0.1", port)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve([int(port) for port in sys.argv[1:]]))
