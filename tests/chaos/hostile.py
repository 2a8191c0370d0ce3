"""Hostile input: clients that abort at every phase, and registry entries that are garbage."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections import Counter
from contextlib import suppress
from random import Random
from typing import Any

from tests.chaos.load import pause

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER, on, 0 s: the close sends a reset."""

CLIENT_HELLO = bytes.fromhex("1603010200010001fc0303") + bytes(40)
"""The beginning of a TLS handshake that never ends."""

BODY = b"POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 100000\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\n"
IDS = ["evil", "evil\nERROR pylb.audit forged", "evil\x1b[2J", "évil", "x" * 300]
ADDRESSES = [
    "a..b",
    "x" * 64 + ".example",
    "no\r\nHost: evil",
    "-",
    "256.1.1.1",
    "[::1",
    "a b",
    "\u202e",
    "::1%lo",
]
PORTS = [0, 1, -1, 65536, 70000, 2**31 - 1]
TAGS = [[], ["\x1b]0;owned\x07"], ["lb_weight=" + "9" * 500], ["lb_maxconn=-1"]]
META = [{}, {"lb_weight": "nan"}, {"lb_probe": "http:/\r\nX: y"}, {"lb_slowstart": "1e999"}]
"""Parts of registrations; Consul's API takes most combinations."""

PHASES = {
    "connected": b"",
    "hello": CLIENT_HELLO,
    "head": b"GET / HTTP/1.1\r\nHost: w",
    "request": b"GET / HTTP/1.1\r\nHost: web\r\n\r\n",
    "pipeline": b"GET / HTTP/1.1\r\nHost: web\r\n\r\n" * 20,
    "body": BODY + bytes(5000),
    "chunk": CHUNKED + b"1000\r\nabc",
    "framing": CHUNKED + b"5\r\nabc\r\n0\r\n\r\nxyz\r\n",
    "expect": BODY.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"),
    "smuggle": BODY.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n"),
    "upgrade": b"GET / HTTP/1.1\r\nHost: web\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
}
"""What a client sends before it aborts."""


class HostileClients:
    """Clients that connect, send the beginning of something, and abort; leave it with `async with`.

    Args:
        port: where plain HTTP is accepted.
        tls_port: where TLS is.
        context: to connect there with.
        seed: of every choice.
        number: of clients.
    """

    def __init__(self, port: int, tls_port: int, context: ssl.SSLContext, seed: int, number: int = 4) -> None:
        self._port = port
        self._tls = (tls_port, context)
        self._random = Random(seed)
        self._number = number
        self._ending = False
        self.aborted: Counter[str] = Counter()
        """Connections, by phase and transport."""

    async def __aenter__(self) -> HostileClients:
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._run()) for _ in range(self._number)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ending = True
        await asyncio.gather(*self._tasks)

    async def _run(self) -> None:
        while not self._ending:
            phase = self._random.choice(list(PHASES))
            secure = phase != "hello" and self._random.random() < 0.6
            with suppress(OSError, TimeoutError):
                await asyncio.wait_for(self._abort(phase, secure=secure), 5)
                self.aborted[f"{phase}{'/tls' if secure else ''}"] += 1
            await pause(self._random.uniform(0.01, 0.05))

    async def _abort(self, phase: str, *, secure: bool) -> None:
        """Send the bytes of a phase, perhaps read a byte of the response, then close or reset."""
        port, context = self._tls if secure or phase == "hello" else (self._port, None)
        if phase == "hello":
            context = None
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        try:
            writer.write(PHASES[phase])
            how = self._random.choice(["at once", "at once", "soon", "in the response"])
            if how == "soon":
                await pause(self._random.uniform(0, 0.02))
            elif how == "in the response" and phase != "connected":
                with suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(1), 0.5)
            connection = writer.get_extra_info("socket")
            if connection is not None and self._random.random() < 0.5:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        finally:
            if self._random.random() < 0.5:
                writer.transport.abort()
            else:
                writer.close()


def garbage(random: Random) -> dict[str, Any]:
    """A registration of the service that no registry should hold, as Consul's API takes it."""
    return {
        "ID": f"{random.choice(IDS)}{random.randrange(10)}",
        "Name": "web",
        "Address": random.choice(ADDRESSES),
        "Port": random.choice(PORTS),
        "Tags": random.choice(TAGS),
        "Meta": random.choice(META),
    }
