"""Clients that say exactly how each of their connections ended, in a process of their own.

Run as `python -m bench.lib.checking_clients PORT CONNECTIONS PATIENCE`, the last in seconds. Each keeps its
connection for as long as it may and asks for `/` again and again. On SIGTERM they print what they saw as one
line of JSON. A load generator cannot do that: it counts a reset, a refusal and an answer that was cut short
as one and the same, and does not say when that was.
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
"""Caddy's site is bound to that name; it would answer to others itself."""
LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n")
PAUSE = 0.01
"""Seconds between an answer and the next request: long enough for a connection to be idle now and then."""
SLOW = 1.0
"""Seconds above which an answer is slow."""


class CheckingClients:
    """So many clients, and what they saw together.

    Args:
        port: where they ask.
        patience: seconds after which an answer is late.
    """

    def __init__(self, port: int, patience: float = 10.0) -> None:
        self.seen: Counter[str] = Counter()
        """How often something happened; the names are fields of `bench.lib.client_report.Checked`."""
        self.longest = 0.0
        """Seconds that the slowest answer took, the connecting included if it was the first."""
        self.troubles: list[tuple[float, str]] = []
        """When a request failed or was slow, by the monotonic clock, and what it was."""
        self._port = port
        self._patience = patience

    async def run(self) -> None:
        """Be one client, until cancelled."""
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
                async with asyncio.timeout(self._patience) as patience:
                    await self._use(reader, writer, began, patience)
            except ConnectionError:
                self._trouble("reset")
            except asyncio.IncompleteReadError:
                self._trouble("cut")
            except TimeoutError:
                self._trouble("late")
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
            patience.reschedule(asyncio.get_running_loop().time() + self._patience)
            writer.write(REQUEST)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = LENGTH.search(head)
            await reader.readexactly(int(length[1]) if length else 0)
            took = time.monotonic() - began
            self.longest = max(self.longest, took)
            if head.startswith(b"http/1.1 200 "):
                self.seen["answers"] += 1
            else:
                self._trouble("refusals")
            if took > SLOW:
                self._trouble("slow")
            if b"\r\nconnection: close\r\n" in head:
                self.seen["announced"] += 1
                return
            await asyncio.sleep(PAUSE)
            if reader.at_eof():
                self.seen["unannounced"] += 1
                return
            began = time.monotonic()

    def _trouble(self, name: str) -> None:
        self.seen[name] += 1
        self.troubles.append((time.monotonic(), name))


async def ask(port: int, connections: int, patience: float) -> None:
    """Ask until SIGTERM comes, then report."""
    clients = CheckingClients(port, patience)
    enough = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, enough.set)
    asking = asyncio.gather(*(clients.run() for _ in range(connections)))
    await enough.wait()
    asking.cancel()
    with suppress(asyncio.CancelledError):
        await asking
    print(json.dumps({**clients.seen, "longest": clients.longest, "troubles": clients.troubles}))


def main() -> None:
    """Ask as the command line says."""
    port, connections, patience = sys.argv[1:]
    uvloop.run(ask(int(port), int(connections), float(patience)))


if __name__ == "__main__":
    main()
