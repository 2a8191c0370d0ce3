"""The admin server: health, readiness, metrics, the API and the dashboard on one port."""

from __future__ import annotations

import asyncio
import socket
from typing import Any, cast

import aiohttp.web_response
import orjson
from aiohttp import web
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

from pylb.admin.access import Access, secure
from pylb.admin.api import Api, OverrideStore
from pylb.admin.connections import ConnectionLimits, Connections, limit_time
from pylb.admin.dashboard import files
from pylb.admin.views import View
from pylb.observe.exposition import CONTENT_TYPE

aiohttp.web_response.SERVER_SOFTWARE = "pylb"  # type: ignore[attr-defined]
"""The value of `Server`. aiohttp's default reveals versions, also in responses that no handler has made."""


BACKLOG = 128
"""Connections that wait to be accepted, at most."""

MAX_BODY = 64 * 1024
"""Bytes of a request body, at most; the longest valid one has a few hundred."""


class AdminApp:
    """Serves the dashboard at `/`, and `/api`, `/health`, `/ready`, `/metrics` and `/pools`.

    Args:
        view: the data to show.
        store: creates and revokes overrides for the API.
        access: decides which requests are allowed.
        limits: the number of connections and their timeouts.
    """

    def __init__(
        self, view: View, store: OverrideStore, access: Access, limits: ConnectionLimits | None = None
    ) -> None:
        self._view = view
        self._limits = limits or ConnectionLimits()
        self._api = Api(view, store, self._limits.streams)
        self._process = CollectorRegistry()
        ProcessCollector(registry=self._process)
        self.web = web.Application(middlewares=[limit_time, access.middleware], client_max_size=MAX_BODY)
        self.web.on_response_prepare.append(secure)
        self.web.add_routes(
            [
                web.get("/health", self.health),
                web.get("/ready", self.ready),
                web.get("/metrics", self.metrics),
                web.get("/pools", self.pools),
                *self._api.routes(),
                *files.routes(),
            ]
        )
        self._runner = web.AppRunner(self.web, access_log=None, shutdown_timeout=1.0)
        self._connections: Connections | None = None
        self._listening: list[asyncio.Server] = []

    async def listen(self, listening: socket.socket) -> None:
        """Accept connections on a bound socket."""
        if self._connections is None:
            await self._runner.setup()
            self._connections = Connections(cast(web.Server, self._runner.server), self._limits)
        loop = asyncio.get_running_loop()
        self._listening.append(await loop.create_server(self._connections, sock=listening, backlog=BACKLOG))

    async def close(self) -> None:
        """Finish the current requests, then close all connections."""
        for server in self._listening:
            server.close()
        self._api.close()
        await self._runner.cleanup()

    async def health(self, _: web.Request) -> web.Response:
        """200 while the process is alive."""
        return as_json({"alive": True, "state": self._view.lifecycle.state.word})

    async def ready(self, _: web.Request) -> web.Response:
        """200 if clients should be sent here, else 503 with the reasons."""
        readiness = self._view.readiness()
        return as_json(readiness, status=200 if readiness["ready"] else 503)

    async def pools(self, _: web.Request) -> web.Response:
        """Backends with their state, and excluded instances with the reasons."""
        return as_json(self._view.membership())

    async def metrics(self, _: web.Request) -> web.Response:
        """All metrics for Prometheus. Other requests run between the pieces."""
        parts = [generate_latest(self._process)]
        for part in self._view.metrics():
            parts.append(part.encode(errors="replace"))
            await asyncio.sleep(0)
        return web.Response(body=b"".join(parts), headers={"Content-Type": CONTENT_TYPE})


def as_json(content: Any, *, status: int = 200) -> web.Response:
    """A JSON response, indented for people."""
    body = orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    return web.Response(body=body, status=status, content_type="application/json")
