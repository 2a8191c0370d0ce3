"""Origins that record when each request arrives; all run in one process.

Run as `python -m bench.lib.timestamping_origin FILE CONTROL PORT...`. FILE holds the `Timestamps`, with one
slot per port. Each line with a slot number on port CONTROL shuts that origin down; the line is echoed once it
no longer listens.
"""

from __future__ import annotations

import asyncio
import sys
import time
from functools import partial
from pathlib import Path
from typing import cast

import uvloop

from bench.lib.timestamps import Timestamps

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n"


class Origin:
    """One origin, from `listen` until `end`."""

    def __init__(self, timestamps: Timestamps, slot: int) -> None:
        self.connections: set[asyncio.Transport] = set()
        self._timestamps = timestamps
        self._slot = slot
        self._server: asyncio.Server | None = None

    async def listen(self, port: int) -> None:
        """Listen on the port."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            partial(TimestampingOrigin, self), "127.0.0.1", port, backlog=4096
        )

    def mark(self) -> None:
        """Record a request."""
        self._timestamps.mark(self._slot, time.monotonic())

    def end(self) -> None:
        """Close the socket and all connections, as a service does on SIGTERM. No request is pending then."""
        if self._server:
            self._server.close()
        for connection in self.connections:
            connection.close()


class TimestampingOrigin(asyncio.Protocol):
    """One connection. Its requests have no body and are not pipelined, so each arrives in one read."""

    _transport: asyncio.Transport

    def __init__(self, origin: Origin) -> None:
        self._origin = origin

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._origin.connections.add(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._origin.connections.discard(self._transport)

    def data_received(self, data: bytes) -> None:  # noqa: ARG002
        self._origin.mark()
        self._transport.write(ANSWER)


class Control(asyncio.Protocol):
    """The control connection, which shuts origins down."""

    _transport: asyncio.Transport

    def __init__(self, origins: list[Origin]) -> None:
        self._origins = origins

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        for slot in data.split():
            self._origins[int(slot)].end()
            self._transport.write(slot + b"\n")


async def serve(path: Path, control: int, ports: list[int]) -> None:
    """Listen on all ports until the process is stopped."""
    timestamps = Timestamps(path, len(ports))
    origins = [Origin(timestamps, slot) for slot in range(len(ports))]
    for origin, port in zip(origins, ports, strict=True):
        await origin.listen(port)
    await asyncio.get_running_loop().create_server(partial(Control, origins), "127.0.0.1", control)
    await asyncio.Event().wait()


def main() -> None:
    """Read the command line and serve."""
    path, control, *ports = sys.argv[1:]
    uvloop.run(serve(Path(path), int(control), [int(port) for port in ports]))


if __name__ == "__main__":
    main()
