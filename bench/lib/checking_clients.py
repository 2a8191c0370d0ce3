"""Clients that record how each of their connections ended, in a process of their own.

Run as `python -m bench.lib.checking_clients PORT CONNECTIONS TIMEOUT`, with the timeout in seconds. Each
client sends requests for `/` over one connection until the server closes it. On SIGTERM the process prints
the counts as one line of JSON (`bench.lib.client_report.ClientReport`). A load generator cannot replace
these clients: wrk counts a reset, a refused connection and a truncated response as the same error, and does
not record its time.
"""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
import time
from collections import Counter
from contextlib import suppress

import uvloop

REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
"""Caddy proxies requests for this host name only and answers others itself."""
LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n")
PAUSE = 0.01
"""Seconds between a response and the next request, so that connections are idle some of the time."""
SLOW = 1.0
"""Seconds above which a response counts as slow."""


class CheckingClients:
    """What all clients of this process record.

    Args:
        port: the server's port on 127.0.0.1.
        timeout: seconds after which a client gives up a request.
    """

    def __init__(self, port: int, timeout: float = 10.0) -> None:
        self.seen: Counter[str] = Counter()
        """Counts by field name of `bench.lib.client_report.ClientReport`."""
        self.slowest = 0.0
        """Seconds that the slowest response took. The first one of a connection includes the connect time."""
        self.troubles: list[tuple[float, str]] = []
        """Monotonic time of each failed or slow request, and its kind."""
        self._port = port
        self._timeout = timeout

    async def run(self) -> None:
        """Run one client until cancelled."""
        while True:
            began = time.monotonic()
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            except ConnectionResetError:
                self._trouble("reset")
                continue
            except OSError:
                self._trouble("refused")
                await asyncio.sleep(PAUSE)
                continue
            try:
                async with asyncio.timeout(self._timeout) as timeout:
                    await self._use(reader, writer, began, timeout)
            except ConnectionError:
                self._trouble("reset")
            except asyncio.IncompleteReadError:
                self._trouble("truncated")
            except TimeoutError:
                self._trouble("timed_out")
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()

    async def _use(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        began: float,
        timeout: asyncio.Timeout,
    ) -> None:
        """Send requests over one connection until the server closes it."""
        while True:
            timeout.reschedule(asyncio.get_running_loop().time() + self._timeout)
            writer.write(REQUEST)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = LENGTH.search(head)
            await reader.readexactly(int(length[1]) if length else 0)
            took = time.monotonic() - began
            self.slowest = max(self.slowest, took)
            if head.startswith(b"http/1.1 200 "):
                self.seen["answers"] += 1
            else:
                self._trouble("bad_status")
            if took > SLOW:
                self._trouble("slow")
            if b"\r\nconnection: close\r\n" in head:
                self.seen["closed_announced"] += 1
                return
            await asyncio.sleep(PAUSE)
            if reader.at_eof():
                self.seen["closed_unannounced"] += 1
                return
            began = time.monotonic()

    def _trouble(self, name: str) -> None:
        self.seen[name] += 1
        self.troubles.append((time.monotonic(), name))


async def run(port: int, connections: int, timeout: float) -> None:
    """Run the clients until SIGTERM, then print their report."""
    clients = CheckingClients(port, timeout)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    running = asyncio.gather(*(clients.run() for _ in range(connections)))
    await stop.wait()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    print(json.dumps({**clients.seen, "slowest": clients.slowest, "troubles": clients.troubles}))


def main() -> None:
    """Read the command line and run the clients."""
    port, connections, timeout = sys.argv[1:]
    uvloop.run(run(int(port), int(connections), float(timeout)))


if __name__ == "__main__":
    main()
