"""One proxy and one fault."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from bench.failure.environment import Environment
from bench.failure.faults import Fault
from bench.lib.client_report import CheckingProcess, ClientReport
from bench.lib.fleet import workshop
from bench.lib.machine import Cores
from bench.lib.peers.follower import Follower
from bench.lib.peers.peer import Site
from bench.lib.ports import free_port
from bench.lib.server import StartError, serve, wait_for

PATIENCE = 20.0
"""Seconds for a proxy to know all backends."""
BEFORE = 2.0
"""Seconds of load before the fault."""
CALM = 1.0
"""Seconds beyond the clients' patience without any trouble before the end, or a proxy has not recovered."""


@dataclass(frozen=True)
class Settings:
    """What was asked for."""

    rounds: int
    """How often each proxy has its turn."""
    connections: int
    """Clients, each with one request under way or about to be."""
    outage: float
    """Seconds that the registry is gone."""
    patience: float
    """Seconds after which a client gives up."""


@dataclass(frozen=True)
class Outcome:
    """What the clients of one proxy saw in one round."""

    version: str
    rate: float
    """Answers with status 200 per second."""
    refusals: int
    """Answers with another status."""
    broken: int
    """Connections refused, reset, or closed when an answer was due."""
    late: int
    """Requests that clients gave up."""
    slow: int
    """Answers that took longer than a second."""
    closed: int
    """Client connections that the proxy ended, and no answer had announced it."""
    recovered: float | None
    """Seconds from the fault to the last request that failed or was slow; None if they never ended."""
    troubles: Mapping[str, Mapping[str, int]]
    """How many there were, by kind, in each tenth of a second since the fault that had any."""

    @property
    def failed(self) -> int:
        """Requests that failed."""
        return self.refusals + self.broken + self.late

    @classmethod
    def of(cls, version: str, checked: ClientReport, took: float, struck: float, calm: float) -> Outcome:
        """Read what the clients saw.

        Args:
            version: the proxy's.
            checked: what they saw.
            took: for how many seconds.
            struck: when something failed, by the monotonic clock.
            calm: from when on nothing may fail any more, if the proxy is said to have recovered.
        """
        last = max((moment - struck for moment, _ in checked.troubles), default=0.0)
        troubles: dict[str, Counter[str]] = {}
        for moment, kind in checked.troubles:
            troubles.setdefault(kind, Counter())[f"{int(10 * (moment - struck)) / 10:.1f}"] += 1
        broken = checked.refused + checked.reset + checked.cut
        return cls(
            version=version,
            rate=checked.answers / took,
            refusals=checked.refusals,
            broken=broken,
            late=checked.late,
            slow=checked.slow,
            closed=checked.unannounced + checked.reset + checked.cut,
            recovered=max(0.0, last) if struck + last < calm else None,
            troubles=troubles,
        )


def measure(follower: Follower, fault: Fault, settings: Settings, cores: Cores) -> Outcome:
    """Put one proxy before the backends, let something fail, and look on."""
    with ExitStack() as stack:
        environment = Environment(cores.load, follower.tags, stack)
        home = stack.enter_context(workshop())
        site = Site(home, free_port(), tuple(backend.ports[0] for backend in environment.backends))
        command = follower.command(site, environment.registry)
        proxy = stack.enter_context(serve(follower.name, command, site.port, home, cores.proxy))
        proxy.wait_until_it_answers("/")
        began = time.monotonic()
        checkers = CheckingProcess(site.port, settings.connections, cores.load, settings.patience)
        try:
            if not wait_for(environment.is_served, PATIENCE):
                raise StartError(f"{follower.name} does not ask all backends")
            time.sleep(BEFORE)
            struck = time.monotonic()
            fault.strike(environment, settings.outage)
            time.sleep(fault.seconds)
            ended = time.monotonic()  # To end everything can take seconds, in which nobody asks.
        finally:
            checked = checkers.finish()
    calm = ended - settings.patience - CALM
    return Outcome.of(follower.version(), checked, ended - began, struck, calm)
