"""Origins that note when each request reaches them, all in one cheap process.

Run as `python -m bench.stamping_origin FILE PORT...`; the file holds the `Stamps`, one slot for each port.
"""

from __future__ import annotations

import asyncio
import sys
import time
from functools import partial
from pathlib import Path
from typing import cast

import uvloop

from bench.stamps import Stamps

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n"


class StampingOrigin(asyncio.Protocol):
    """One connection. Its requests have no body and come one by one, so each arrives in one piece."""

    _transport: asyncio.Transport

    def __init__(self, stamps: Stamps, slot: int) -> None:
        self._stamps = stamps
        self._slot = slot

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:  # noqa: ARG002
        self._stamps.mark(self._slot, time.monotonic())
        self._transport.write(ANSWER)


async def serve(path: Path, ports: list[int]) -> None:
    """Listen on all ports until the process is ended."""
    stamps = Stamps(path, len(ports))
    loop = asyncio.get_running_loop()
    for slot, port in enumerate(ports):
        await loop.create_server(partial(StampingOrigin, stamps, slot), "127.0.0.1", port, backlog=4096)
    await asyncio.Event().wait()


def main() -> None:
    """Serve what the command line says."""
    path, *ports = sys.argv[1:]
    uvloop.run(serve(Path(path), [int(port) for port in ports]))


if __name__ == "__main__":
    main()
