"""One round of one proxy: load without changes, load with changes, and the cost of changes."""

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
from bench.lib.fleet import temporary_directory
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
"""Seconds after the last change in which its delayed work, such as the end of old workers, still counts."""


@dataclass(frozen=True)
class Changes:
    """The effect of the changes as seen by the origins and the clients."""

    count: int
    appeared: list[float]
    """Seconds from each registration to the first request."""
    vanished: list[float]
    """Seconds from each deregistration to the last request; 0 if it arrived before the call returned."""
    lost: int
    """Changes that did not reach the traffic in time."""
    closed: int
    """Client connections that the proxy closed."""

    @classmethod
    def of(cls, cycles: Sequence[ChurnCycle], closed: int) -> Changes:
        """Summarize ended churn cycles."""
        appeared = [cycle.appeared for cycle in cycles]
        vanished = [cycle.vanished for cycle in cycles if cycle.has_requests]
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
    """Duration of each of the two measurements, in seconds."""
    idle: float
    """CPU seconds while nothing changed."""
    changing: float
    """CPU seconds while instances were registered and deregistered."""
    count: int
    """The number of changes."""

    @property
    def each(self) -> float:
        """CPU seconds per change."""
        return (self.changing - self.idle) / self.count


@dataclass(frozen=True)
class Result:
    """The result of one proxy in one round."""

    version: str
    changes: Changes
    before: Load
    """The load without changes."""
    load: Load
    """The load with changes."""
    cost: Cost | None
    """The cost of changes; None without a rate."""
    propagation: Mapping[str, Mapping[str, int]]
    """Counts that the proxy measured itself, by histogram and bucket."""

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> Result:
        """Read raw figures that `--json` wrote."""
        return cls(
            version=raw["version"],
            changes=Changes(**raw["changes"]),
            before=Load(**raw["before"]),
            load=Load(**raw["load"]),
            cost=Cost(**raw["cost"]) if raw["cost"] else None,
            propagation=raw["propagation"],
        )


def measure(follower: Follower, environment: Environment, settings: Settings, console: Console) -> Result:
    """Start one proxy and measure it while instances are registered and deregistered."""
    count = settings.cycles * (2 if settings.rate else 1)
    with ExitStack() as stack:
        origins = stack.enter_context(
            serve_origins(
                stack.enter_context(temporary_directory()), free_ports(count), environment.cores.load
            )
        )
        cycles = [ChurnCycle(environment.catalog, origins, slot, f"web-new-{slot}") for slot in range(count)]
        home = stack.enter_context(temporary_directory())
        site = Site(home, free_port(), ())
        command = follower.command(site, environment.registry)
        proxy = stack.enter_context(serve(follower.name, command, site.port, home, environment.cores.proxy))
        proxy.wait_until_ready("/")
        loaded, idle = cycles[: settings.cycles], cycles[settings.cycles :]
        with console.status(f"{follower.name}: {2 * len(loaded)} changes under load"):
            before = steady(proxy, settings, environment.cores)
            changes, load = changed(proxy, follower, loaded, settings, environment.cores)
            propagation = follower.propagation()
        with console.status(f"{follower.name}: cost of changes"):
            cost = measure_cost(proxy, idle, settings) if settings.rate else None
    return Result(follower.version(), changes, before, load, cost, propagation)


def start_load(proxy: Server, settings: Settings, cores: Cores) -> Wrk:
    """Start the clients."""
    workload = Workload("steady", "GET, 3-byte response", "/", settings.connections)
    return Wrk(proxy.url, workload, A_DAY, cores.load)


def steady(proxy: Server, settings: Settings, cores: Cores) -> Load:
    """Measure the load without changes."""
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
    """Measure the load with changes."""
    wrk = start_load(proxy, settings, cores)
    try:
        clients = Clients(wrk, proxy, settings.connections)
        if settings.rate:
            at_rate(cycles, settings, clients.watch)
            await_end(cycles, follower.change_timeout)
        else:
            one_by_one(cycles, settings, follower.change_timeout, clients.watch)
        clients.count_closed()
    finally:
        wrk.stop()
        load = wrk.finish()
    return Changes.of(cycles, clients.closed), load


def measure_cost(proxy: Server, cycles: list[ChurnCycle], settings: Settings) -> Cost:
    """Measure the CPU time of changes without load."""
    beginning = proxy.cpu().total
    began = time.monotonic()
    at_rate(cycles, settings, lambda: None)
    time.sleep(AFTERWARDS)
    changing, took = proxy.cpu().total - beginning, time.monotonic() - began
    beginning = proxy.cpu().total
    time.sleep(took)
    return Cost(took, proxy.cpu().total - beginning, changing, 2 * len(cycles))
