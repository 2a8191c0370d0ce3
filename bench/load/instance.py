"""An instance for load tests: it answers requests, receives uploads, and echoes WebSocket messages."""

from __future__ import annotations

import asyncio

from aiohttp import WSMsgType, web

SERVED_BY = "X-Served-By"
"""The response header field that names the instance, as several proxies and CDNs use it."""
FINISH = 10.0
"""Seconds after which an instance closes connections that clients leave open."""
QUIET = 0.3
"""Seconds without a connection after which no further one is expected."""


class Instance:
    """A web service on its own port, from `start` until `finish`.

    Args:
        name: the value of `X-Served-By`.
        address: the address on which it listens.
    """

    def __init__(self, name: str, address: str) -> None:
        self.name = name
        self.address = address
        self.port = 0
        self._runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=1)

    async def start(self) -> None:
        """Listen on a free port."""
        await self._runner.setup()
        await web.TCPSite(self._runner, self.address, 0, backlog=4096).start()
        self.port = self._runner.addresses[0][1]

    async def finish(self) -> None:
        """Serve until there has been no connection for `QUIET`, then stop."""
        loop = asyncio.get_running_loop()
        quiet_since = loop.time()
        deadline = quiet_since + FINISH
        while (now := loop.time()) < min(quiet_since + QUIET, deadline):
            await asyncio.sleep(QUIET / 10)
            if self._runner.server and self._runner.server.connections:
                quiet_since = now
        await self._runner.cleanup()

    def _app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/upload", receive)
        app.router.add_get("/echo", echo)
        app.router.add_get("/{path:.*}", answer)
        app.on_response_prepare.append(self._sign)
        return app

    async def _sign(self, _: web.Request, response: web.StreamResponse) -> None:
        response.headers[SERVED_BY] = self.name


async def answer(_: web.Request) -> web.Response:
    """Answer with three bytes."""
    return web.Response(text="ok\n")


async def receive(request: web.Request) -> web.Response:
    """Read the whole body and return its length."""
    return web.Response(text=str(sum([len(chunk) async for chunk in request.content.iter_any()])))


async def echo(request: web.Request) -> web.WebSocketResponse:
    """Send each text message back."""
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            await socket.send_str(message.data)
    return socket
