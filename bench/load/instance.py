"""An instance for load tests: it answers, takes uploads, echoes over WebSockets, and says who it is."""

from __future__ import annotations

import asyncio

from aiohttp import WSMsgType, web

SERVED_BY = "X-Served-By"
"""The field of a response that names the instance; several proxies and CDNs use it so."""
FINISH = 10.0
"""Seconds that an instance goes on for connections that nobody closes."""
QUIET = 0.3
"""Seconds without a connection after which nobody is taken to be on the way to it."""


class Instance:
    """A web service on a port of its own, from `start` until `finish`.

    Args:
        name: what it calls itself.
        address: where it listens.
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
        """Go on until nobody has been connected for a moment, then end."""
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
    """Read a body to its end; answer with its length."""
    return web.Response(text=str(sum([len(chunk) async for chunk in request.content.iter_any()])))


async def echo(request: web.Request) -> web.WebSocketResponse:
    """Say again what is said."""
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            await socket.send_str(message.data)
    return socket
