"""The embedded registry as one object with `start` and `stop`; it connects the other files."""

from __future__ import annotations

import socket
import uuid
from contextlib import AsyncExitStack

import aiohttp
from aiohttp import web

from pylb.registry.embedded.agent import Agent
from pylb.registry.embedded.agent_api import AgentApi
from pylb.registry.embedded.blocking import Changes
from pylb.registry.embedded.catalog import Catalog, Check, Node
from pylb.registry.embedded.catalog_api import CatalogApi
from pylb.registry.embedded.definitions import PASSING, Service
from pylb.registry.embedded.exchange import DATACENTER, get, json_response, like_consul
from pylb.registry.embedded.kv import KeyValues
from pylb.registry.embedded.kv_api import KvApi

MAX_BODY = 64 * 1024 * 1024
SHUTDOWN_TIMEOUT = 0.1
"""Seconds that a stop waits for open requests; blocking queries do not end in that time."""
WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Listen addresses that no client can connect to, and the address that the node has instead."""
SERF_HEALTH = Check("serfHealth", "Serf Health Status", PASSING, output="Agent alive and reachable")


class DevRegistry:
    """A service registry in this process, with one node; all data is in memory and ends with `stop`.

    It implements the part of the HTTP API of Consul 1.8.7 that clients of a service catalog use.
    """

    def __init__(self) -> None:
        self.address = ""
        """`host:port`; empty while it is not running."""
        self._resources = AsyncExitStack()

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen, with an empty catalog.

        Args:
            host: the IP address or host name to listen on.
            port: the TCP port; 0 selects a free one.

        Returns:
            `host:port` for clients.

        Raises:
            OSError: the registry cannot listen on the address.
        """
        async with AsyncExitStack() as resources:
            listener = resources.enter_context(_bind(host, port))
            port = listener.getsockname()[1]
            probes = aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True))
            await resources.enter_async_context(probes)
            address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            app = self._app(host, port, address, probes, resources)
            runner = web.AppRunner(
                app, access_log=None, handler_cancellation=True, shutdown_timeout=SHUTDOWN_TIMEOUT
            )
            resources.push_async_callback(runner.cleanup)
            await runner.setup()
            await web.SockSite(runner, listener).start()
            self._resources = resources.pop_all()
        self.address = address
        return address

    async def stop(self) -> None:
        """Stop the checks, close every connection, and drop all data."""
        self.address = ""
        await self._resources.aclose()

    def _app(
        self, host: str, port: int, address: str, probes: aiohttp.ClientSession, resources: AsyncExitStack
    ) -> web.Application:
        changes = Changes()
        node = Node(str(uuid.uuid4()), socket.gethostname(), WILDCARDS.get(host, host), DATACENTER)
        catalog = Catalog(node, changes)
        catalog.update_check(SERF_HEALTH)
        catalog.register(Service("consul", "consul", port=port), ())
        agent = Agent(catalog, probes)
        resources.callback(agent.close)

        async def leader(request: web.Request) -> web.Response:
            return json_response(request, address)

        async def peers(request: web.Request) -> web.Response:
            return json_response(request, [address])

        app = web.Application(middlewares=[like_consul], client_max_size=MAX_BODY)
        app.add_routes(AgentApi(agent, catalog.node, address).routes())
        app.add_routes(CatalogApi(catalog, changes).routes())
        app.add_routes(KvApi(KeyValues(changes), changes).routes())
        app.add_routes([get("/v1/status/leader", leader), get("/v1/status/peers", peers)])
        return app


def _bind(host: str, port: int) -> socket.socket:
    """Bind a TCP socket; the error keeps the system's own message, which `socket.create_server` extends."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener
