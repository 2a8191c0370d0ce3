"""One proxy and its changes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from bench.change.clients import Clients
from bench.change.environment import Environment, Settings
from bench.change.pace import at_rate, await_end, one_by_one
from bench.lib.churn_cycle import ChurnCycle
from bench.lib.fleet import workshop
from bench.lib.machine import Cores
from bench.lib.origins import serve_origins
from bench.lib.peers.follower import Follower
from bench.lib.peers.peer import Site
from bench.lib.ports import free_port, free_ports
from bench.lib.server import Server, serve
from bench.lib.workload import Workload
from bench.lib.wrk import Load, Wrk

A_DAY = 86_400
AFTERWARDS = 1.0
"""Seconds for what a change makes a proxy do later: old workers that end."""


@dataclass(frozen=True)
class Changes:
    """What the changes looked like from the origins and from the clients."""

    count: int
    appeared: list[float]
    """Seconds from each registration to the first request."""
    vanished: list[float]
    """Seconds from each deregistration to the last request; 0 if that came before the call returned."""
    lost: int
    """Changes that never reached the traffic, or not in time."""
    closed: int
    """Client connections that were closed."""

    @classmethod
    def of(cls, cycles: Sequence[ChurnCycle], closed: int) -> Changes:
        """Read what has become of them."""
        appeared = [cycle.appeared for cycle in cycles]
        vanished = [cycle.vanished for cycle in cycles if cycle.is_seen]
        return cls(
            count=2 * len(cycles),
            appeared=[each for each in appeared if each is not None],
            vanished=[each for each in vanished if each is not None],
            lost=appeared.count(None) + vanished.count(None),
            closed=closed,
        )


@dataclass(frozen=True)
class Cost:
    """CPU time of the proxy and all its children, without load."""

    seconds: float
    """How long each of both was measured."""
    idle: float
    """Seconds of CPU while nothing changed."""
    changing: float
    """Seconds of CPU while instances came and went."""
    count: int
    """How many changes that were."""

    @property
    def each(self) -> float:
        """Seconds per change."""
        return (self.changing - self.idle) / self.count


@dataclass(frozen=True)
class Result:
    """What one proxy did in one round."""

    version: str
    changes: Changes
    before: Load
    """Without changes."""
    load: Load
    """While instances came and went."""
    cost: Cost | None
    """Of changes at a rate."""
    propagation: Mapping[str, Mapping[str, int]]
    """What the proxy measured itself: by histogram and bucket."""

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> Result:
        """From raw figures."""
        return cls(
            version=raw["version"],
            changes=Changes(**raw["changes"]),
            before=Load(**raw["before"]),
            load=Load(**raw["load"]),
            cost=Cost(**raw["cost"]) if raw["cost"] else None,
            propagation=raw["propagation"],
        )


def measure(follower: Follower, environment: Environment, settings: Settings, console: Console) -> Result:
    """Put one proxy, started afresh, before the instances, and let others come and go."""
    count = settings.cycles * (2 if settings.rate else 1)
    with ExitStack() as stack:
        origins = stack.enter_context(
            serve_origins(stack.enter_context(workshop()), free_ports(count), environment.cores.load)
        )
        cycles = [ChurnCycle(environment.catalog, origins, slot, f"web-new-{slot}") for slot in range(count)]
        home = stack.enter_context(workshop())
        site = Site(home, free_port(), ())
        command = follower.command(site, environment.registry)
        proxy = stack.enter_context(serve(follower.name, command, site.port, home, environment.cores.proxy))
        proxy.wait_until_it_answers("/")
        loaded, idle = cycles[: settings.cycles], cycles[settings.cycles :]
        with console.status(f"{follower.name}: {2 * len(loaded)} changes under load"):
            before = steady(proxy, settings, environment.cores)
            changes, load = changed(proxy, follower, loaded, settings, environment.cores)
            propagation = follower.propagation()
        with console.status(f"{follower.name}: what changes cost"):
            cost = price(proxy, idle, settings) if settings.rate else None
    return Result(follower.version(), changes, before, load, cost, propagation)


def start_load(proxy: Server, settings: Settings, cores: Cores) -> Wrk:
    """Let the clients begin."""
    workload = Workload("steady", "GET, 3-byte answer", "/", settings.connections)
    return Wrk(proxy.url, workload, A_DAY, cores.load)


def steady(proxy: Server, settings: Settings, cores: Cores) -> Load:
    """Load without changes."""
    wrk = start_load(proxy, settings, cores)
    try:
        time.sleep(settings.before)
    finally:
        wrk.stop()
        load = wrk.finish()
    return load


def changed(
    proxy: Server, follower: Follower, cycles: list[ChurnCycle], settings: Settings, cores: Cores
) -> tuple[Changes, Load]:
    """Load with changes."""
    wrk = start_load(proxy, settings, cores)
    try:
        clients = Clients(wrk, proxy, settings.connections)
        if settings.rate:
            at_rate(cycles, settings, clients.watch)
            await_end(cycles, follower.patience)
        else:
            one_by_one(cycles, settings, follower.patience, clients.watch)
        clients.look()
    finally:
        wrk.stop()
        load = wrk.finish()
    return Changes.of(cycles, clients.closed), load


def price(proxy: Server, cycles: list[ChurnCycle], settings: Settings) -> Cost:
    """CPU time of changes without load."""
    beginning = proxy.cpu().total
    began = time.monotonic()
    at_rate(cycles, settings, lambda: None)
    time.sleep(AFTERWARDS)
    changing, took = proxy.cpu().total - beginning, time.monotonic() - began
    beginning = proxy.cpu().total
    time.sleep(took)
    return Cost(took, proxy.cpu().total - beginning, changing, 2 * len(cycles))
