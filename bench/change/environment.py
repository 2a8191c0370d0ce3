"""What is the same for each proxy: the registry, the instances that stay, and how long all of it goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from bench.lib.consul import Catalog, serve_consul
from bench.lib.fleet import workshop
from bench.lib.machine import Cores
from bench.lib.origins import serve_origins
from bench.lib.peers.follower import Registry
from bench.lib.ports import free_port, free_ports

SERVICE = "web"
STEADY = 3
"""Instances that stay."""


@dataclass(frozen=True)
class Settings:
    """What was asked for."""

    rounds: int
    """How often each proxy has its turn."""
    instances: int
    """How many stay."""
    connections: int
    """Clients, each with one request under way."""
    changes: int
    """Registrations, each undone again, one after the other; without meaning if there is a rate."""
    rate: float | None
    """Changes per second; None if each waits for the one before it."""
    before: float
    """Seconds of load without changes, before those with them."""
    seconds: float
    """How long there are changes at that rate."""
    stay: float
    """Seconds from a registration at that rate to the deregistration."""
    stops: bool
    """Whether an instance that has left stops answering."""
    notice: float
    """Seconds from its deregistration to that."""

    @property
    def cycles(self) -> int:
        """How many instances come and go; each is two changes."""
        return max(1, round(self.rate * self.seconds / 2)) if self.rate else self.changes


@dataclass(frozen=True)
class Environment:
    """A registry that knows the instances that stay."""

    registry: Registry
    catalog: Catalog
    cores: Cores


@contextmanager
def set_up(instances: int) -> Iterator[Environment]:
    """Run Consul, and instances that it knows."""
    cores = Cores.split()
    cores.step_aside()
    with ExitStack() as stack:
        dns = free_port()
        consul = stack.enter_context(serve_consul(stack.enter_context(workshop()), cores.load, dns))
        home = stack.enter_context(workshop())
        origins = stack.enter_context(serve_origins(home, free_ports(instances), cores.load))
        catalog = stack.enter_context(Catalog(consul, SERVICE))
        for number, port in enumerate(origins.ports, 1):
            catalog.register(f"web-{number}", port)
        yield Environment(Registry(consul.port, dns, SERVICE), catalog, cores)
