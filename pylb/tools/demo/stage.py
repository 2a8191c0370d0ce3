"""The demo itself: a registry, instances and a load balancer, set up together and shown while they run."""

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
from pylb.tools.demo.display import Display, Moment, Sign
from pylb.tools.demo.fleet import Fleet
from pylb.tools.demo.registration import by_hand
from pylb.tools.demo.scoreboard import Scoreboard
from pylb.tools.demo.traffic import Traffic

SERVICE = "web"
LOOPBACK = "127.0.0.1"
DRAIN_TIMEOUT = 5.0
"""Seconds that requests in flight may take at the end of the demo."""
FRAME = 0.1
"""Seconds between two looks at what has changed."""

log = logging.getLogger("pylb.tools.demo")


class Stage:
    """Everything that runs, and the keys that change it.

    Args:
        registry: where the embedded registry is.
        balancer: watches the registry.
        fleet: the instances in the registry.
        traffic: requests to the balancer.
        owner: of the tasks that keys start.
    """

    def __init__(
        self, registry: Url, balancer: Balancer, fleet: Fleet, traffic: Traffic, owner: TaskScope
    ) -> None:
        self.registry = registry
        self.balancer = balancer
        self.fleet = fleet
        self.traffic = traffic
        self._owner = owner
        self._scoreboard = Scoreboard(balancer.worker.pools[SERVICE], balancer.view.counters)

    async def perform(
        self,
        listening: Sequence[socket.socket],
        admin: Sequence[socket.socket],
        signs: Sequence[Sign],
        display: Display,
    ) -> int:
        """Serve and show until `end` is called; return the exit code.

        Args:
            listening: where pylb takes requests.
            admin: where it answers operators.
            signs: where to find what.
            display: where all is shown.
        """
        with display.open(signs, self.press):
            spawn(self._show(display), name="show", owner=self._owner)
            return await self.balancer.serve(listening, admin=admin)

    def press(self, key: str) -> None:
        """Do what a key stands for."""
        match key:
            case "+" | "=":  # the same key on many keyboards
                self._begin(self.fleet.grow(), "one more")
            case "-":
                self._begin(self.fleet.shrink(), "one less")
            case "t":
                self._begin(self.traffic.toggle(), "traffic")
            case "q":
                self.end()

    def end(self) -> None:
        """Begin the orderly end; asked a second time, end at once."""
        if not self._owner.closed:
            self._begin(self._end(), "end")

    def moment(self) -> Moment:
        """All that can be seen now."""
        reserve = self.fleet.reserve
        return Moment(
            self._scoreboard.read(monotonic()),
            by_hand(self.registry, reserve.endpoint) if reserve else "",
            self.traffic.on,
            {each.endpoint.authority: each.process.pid for each in self.fleet.instances},
        )

    async def _end(self) -> None:
        await self.traffic.stop()
        self.balancer.stop()

    async def _show(self, display: Display) -> None:
        while True:
            self.fleet.adopt()
            display.show(self.moment())
            await asyncio.sleep(FRAME)

    def _begin(self, action: Coroutine[Any, Any, None], name: str) -> None:
        spawn(action, name=name, owner=self._owner)


@asynccontextmanager
async def set_up(url: str, *, registry_port: int, size: int, policy: str) -> AsyncIterator[Stage]:
    """Start a registry, and instances that are registered in it, and prepare a load balancer for them.

    Args:
        url: where the load balancer will take requests.
        registry_port: where the registry should listen; if it cannot, it takes a free port.
        size: how many instances.
        policy: of the load balancer.

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
        owner = await stack.enter_async_context(TaskScope("demo"))
        await fleet.grow(size)
        yield Stage(consul, balancer, fleet, Traffic(url), owner)


async def _registry(port: int) -> DevRegistry:
    registry = DevRegistry()
    try:
        await registry.start(LOOPBACK, port)
    except OSError:
        await registry.start(LOOPBACK)
    return registry
