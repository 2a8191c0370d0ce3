"""Clients that say exactly how each of their connections ended, in a process of their own.

Run as `python -m bench.checking_clients PORT CONNECTIONS`. Each keeps its connection for as long as it may
and asks for `/` again and again. On SIGTERM they print what they saw as one line of JSON. A load generator
cannot do that: it counts a reset, a refusal and an answer that was cut short as one and the same.
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

REQUEST = b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n"
LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n")
PAUSE = 0.01
"""Seconds between an answer and the next request: long enough for a connection to be idle now and then."""
PATIENCE = 10.0
"""Seconds after which an answer is late."""


class CheckingClients:
    """So many clients, and what they saw together."""

    def __init__(self, port: int) -> None:
        self.seen: Counter[str] = Counter()
        """How often something happened; the names are fields of `bench.checked.Checked`."""
        self.longest = 0.0
        """Seconds that the slowest answer took, the connecting included if it was the first."""
        self._port = port

    async def run(self) -> None:
        """Be one client, until cancelled."""
        while True:
            began = time.monotonic()
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            except ConnectionResetError:
                self.seen["reset"] += 1
                continue
            except OSError:
                self.seen["refused"] += 1
                await asyncio.sleep(PAUSE)
                continue
            try:
                async with asyncio.timeout(PATIENCE) as patience:
                    await self._use(reader, writer, began, patience)
            except ConnectionError:
                self.seen["reset"] += 1
            except asyncio.IncompleteReadError:
                self.seen["cut"] += 1
            except TimeoutError:
                self.seen["late"] += 1
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()

    async def _use(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        began: float,
        patience: asyncio.Timeout,
    ) -> None:
        """Ask over one connection until an answer announces its end."""
        while True:
            patience.reschedule(asyncio.get_running_loop().time() + PATIENCE)
            writer.write(REQUEST)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = LENGTH.search(head)
            await reader.readexactly(int(length[1]) if length else 0)
            self.longest = max(self.longest, time.monotonic() - began)
            self.seen["answers" if head.startswith(b"http/1.1 200 ") else "refusals"] += 1
            if b"\r\nconnection: close\r\n" in head:
                self.seen["announced"] += 1
                return
            await asyncio.sleep(PAUSE)
            if reader.at_eof():
                self.seen["unannounced"] += 1
                return
            began = time.monotonic()


async def ask(port: int, connections: int) -> None:
    """Ask until SIGTERM comes, then report."""
    clients = CheckingClients(port)
    enough = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, enough.set)
    asking = asyncio.gather(*(clients.run() for _ in range(connections)))
    await enough.wait()
    asking.cancel()
    with suppress(asyncio.CancelledError):
        await asking
    print(json.dumps({**clients.seen, "longest": clients.longest}))


def main() -> None:
    """Ask as the command line says."""
    port, connections = map(int, sys.argv[1:])
    uvloop.run(ask(port, connections))


if __name__ == "__main__":
    main()
