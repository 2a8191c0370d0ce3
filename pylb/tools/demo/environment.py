"""Starts and stops the programs of the demo: the registry, the instances and the load balancer."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from time import monotonic
from typing import Any

from pylb.balancer import Balancer
from pylb.clients.consul import ConsulClient
from pylb.config import Options, Url
from pylb.config.sources import Consul
from pylb.registry.embedded import DevRegistry
from pylb.runtime.lifecycle import TaskScope, spawn
from pylb.tools.demo.display import Display, Frame, Link
from pylb.tools.demo.fleet import Fleet
from pylb.tools.demo.registration import registration_command
from pylb.tools.demo.scoreboard import Scoreboard
from pylb.tools.demo.traffic import Traffic

SERVICE = "web"
LOOPBACK = "127.0.0.1"
DRAIN_TIMEOUT = 5.0
"""Seconds that requests in flight may take at the end of the demo."""
FRAME_INTERVAL = 0.1
"""Seconds between two frames."""

log = logging.getLogger("pylb.tools.demo")


class Environment:
    """The running programs of the demo, and the keys that control them.

    Args:
        registry: the URL of the embedded registry.
        balancer: the load balancer, which watches the registry.
        fleet: the instances in the registry.
        traffic: the generator of requests to the balancer.
        scope: holds the tasks that keys start.
    """

    def __init__(
        self, registry: Url, balancer: Balancer, fleet: Fleet, traffic: Traffic, scope: TaskScope
    ) -> None:
        self.registry = registry
        self.balancer = balancer
        self.fleet = fleet
        self.traffic = traffic
        self._scope = scope
        self._scoreboard = Scoreboard(balancer.worker.pools[SERVICE], balancer.view.counters)

    async def serve(
        self,
        listening: Sequence[socket.socket],
        admin: Sequence[socket.socket],
        links: Sequence[Link],
        display: Display,
    ) -> int:
        """Serve and update the display until `end` is called. Returns the exit code.

        Args:
            listening: the sockets for requests.
            admin: the sockets of the admin endpoint.
            links: the fixed lines of the display.
            display: the display.
        """
        with display.open(links, self.press):
            spawn(self._show(display), name="show", scope=self._scope)
            return await self.balancer.serve(listening, admin=admin)

    def press(self, key: str) -> None:
        """Perform the action of a key."""
        match key:
            case "+" | "=":  # The same key on many keyboards.
                self._begin(self.fleet.grow(), "add")
            case "-":
                self._begin(self.fleet.shrink(), "remove")
            case "t":
                self._begin(self.traffic.toggle(), "traffic")
            case "q":
                self.end()

    def end(self) -> None:
        """Begin the orderly end; a second call ends the demo immediately."""
        if not self._scope.closed:
            self._begin(self._end(), "end")

    def frame(self) -> Frame:
        """Return the current data for the display."""
        reserve = self.fleet.reserve
        return Frame(
            self._scoreboard.read(monotonic()),
            registration_command(self.registry, reserve.endpoint) if reserve else "",
            self.traffic.on,
            {each.endpoint.authority: each.process.pid for each in self.fleet.instances},
        )

    async def _end(self) -> None:
        await self.traffic.stop()
        self.balancer.stop()

    async def _show(self, display: Display) -> None:
        while True:
            self.fleet.adopt()
            display.show(self.frame())
            await asyncio.sleep(FRAME_INTERVAL)

    def _begin(self, action: Coroutine[Any, Any, None], name: str) -> None:
        spawn(action, name=name, scope=self._scope)


@asynccontextmanager
async def set_up(url: str, *, registry_port: int, size: int, policy: str) -> AsyncIterator[Environment]:
    """Start a registry and registered instances, and create a load balancer for them.

    Args:
        url: the URL of the load balancer.
        registry_port: the port of the registry; if it is in use, a free one is used.
        size: number of instances.
        policy: the load balancer's policy.

    Raises:
        StartError: an instance did not start.
    """
    async with AsyncExitStack() as stack:
        registry = await _registry(registry_port)
        stack.push_async_callback(registry.stop)
        host, _, port = registry.address.rpartition(":")
        consul = Url("http", host, int(port))
        balancer = Balancer(
            Options(consul=consul, service=(SERVICE,), policy=policy, drain_timeout=DRAIN_TIMEOUT)
        )
        pool = balancer.worker.pools[SERVICE]

        def in_use(address: str) -> bool:
            return any(b.name == address for b in (*pool.backends.values(), *pool.draining.values()))

        client = await stack.enter_async_context(ConsulClient(Consul(consul=consul)))
        fleet = await stack.enter_async_context(Fleet(client, SERVICE, in_use))
        scope = await stack.enter_async_context(TaskScope("demo"))
        await fleet.grow(size)
        yield Environment(consul, balancer, fleet, Traffic(url), scope)


async def _registry(port: int) -> DevRegistry:
    registry = DevRegistry()
    try:
        await registry.start(LOOPBACK, port)
    except OSError:
        await registry.start(LOOPBACK)
    return registry
