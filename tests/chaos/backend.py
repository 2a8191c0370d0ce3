"""A web service that misbehaves on request, as a process.

    python tests/chaos/backend.py [ADDRESS [CERTIFICATE KEY]]

With a certificate it speaks TLS. It writes its port to standard output. Each line on its standard input sets
its behavior: `good`, `broken` (500 to everything), `busy` (503), `late` (30 s for every response),
`resetting` (every other request ends in a reset), `half-closed` (it ends its side instead of a response),
`nonsense` (no HTTP).
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from contextlib import suppress
from itertools import count

LATE = 30.0


class Backend:
    """One port, one behaviour at a time."""

    def __init__(self) -> None:
        self.behaviour = "good"
        self.numbers = count()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._answer(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if b"content-length: " in head:
            await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        if self.behaviour == "late":
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.Event().wait(), LATE)
        if self.behaviour == "resetting" and next(self.numbers) % 2:
            writer.transport.abort()
            return False
        if self.behaviour == "half-closed":
            if writer.can_write_eof():  # TLS cannot half-close.
                writer.write_eof()
                await reader.read(-1)
            return False
        if self.behaviour == "nonsense":
            writer.write(b"220 mail.example ESMTP\r\n\r\n")
            return True
        status = {"broken": b"500 Broken", "busy": b"503 Busy"}.get(self.behaviour, b"200 OK")
        writer.write(b"HTTP/1.1 %b\r\nContent-Length: 2\r\n\r\nok" % status)
        return True

    def obey(self) -> None:
        line = sys.stdin.readline()
        self.behaviour = line.strip() or self.behaviour
        if not line:  # Whoever started it has gone.
            asyncio.get_running_loop().remove_reader(sys.stdin)
            asyncio.get_running_loop().stop()


async def main() -> None:
    backend = Backend()
    address, *pair = sys.argv[1:] or ["127.0.0.1"]
    context = None
    if pair:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*pair)
    server = await asyncio.start_server(backend.serve, address, 0, ssl=context)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    asyncio.get_running_loop().add_reader(sys.stdin, backend.obey)
    await asyncio.Event().wait()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except RuntimeError:  # the loop was stopped
        sys.exit(0)
