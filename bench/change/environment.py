"""What all proxies of a run share: the registry, the permanent instances, and the settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from bench.lib.consul import Catalog, serve_consul
from bench.lib.fleet import temporary_directory
from bench.lib.machine import Cores
from bench.lib.origins import serve_origins
from bench.lib.peers.follower import Registry
from bench.lib.ports import free_port, free_ports

SERVICE = "web"
STEADY = 3
"""Default number of permanent instances."""


@dataclass(frozen=True)
class Settings:
    """The options of one run."""

    rounds: int
    """Rounds per proxy."""
    instances: int
    """Permanent instances."""
    connections: int
    """Clients, each with one request in progress."""
    changes: int
    """Registrations, each followed by its deregistration; unused with a rate."""
    rate: float | None
    """Changes per second; None if each change waits for the previous one."""
    before: float
    """Seconds of load without changes, before the changes."""
    seconds: float
    """Duration of the changes at that rate, in seconds."""
    lifetime: float
    """Seconds from registration to deregistration at that rate."""
    stops: bool
    """Whether an instance stops after its deregistration."""
    notice: float
    """Seconds from deregistration to the stop."""

    @property
    def cycles(self) -> int:
        """The number of churn cycles; each consists of two changes."""
        return max(1, round(self.rate * self.seconds / 2)) if self.rate else self.changes


@dataclass(frozen=True)
class Environment:
    """A registry with the permanent instances registered."""

    registry: Registry
    catalog: Catalog
    cores: Cores


@contextmanager
def set_up(instances: int) -> Iterator[Environment]:
    """Run Consul and register the permanent instances."""
    cores = Cores.split()
    cores.leave_proxy_core()
    with ExitStack() as stack:
        dns = free_port()
        consul = stack.enter_context(
            serve_consul(stack.enter_context(temporary_directory()), cores.load, dns)
        )
        home = stack.enter_context(temporary_directory())
        origins = stack.enter_context(serve_origins(home, free_ports(instances), cores.load))
        catalog = stack.enter_context(Catalog(consul, SERVICE))
        for number, port in enumerate(origins.ports, 1):
            catalog.register(f"web-{number}", port)
        yield Environment(Registry(consul.port, dns, SERVICE), catalog, cores)
