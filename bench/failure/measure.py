"""One round of one proxy and one fault."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from bench.failure.environment import Environment
from bench.failure.faults import Fault
from bench.lib.client_report import CheckingProcess, ClientReport
from bench.lib.fleet import temporary_directory
from bench.lib.machine import Cores
from bench.lib.peers.follower import Follower
from bench.lib.peers.peer import Site
from bench.lib.ports import free_port
from bench.lib.server import StartError, serve, wait_for

START_TIMEOUT = 20.0
"""Seconds within which a proxy must send requests to all backends."""
BEFORE = 2.0
"""Seconds of load before the fault."""
CALM = 1.0
"""Seconds without failures, after the clients' timeout, that end the round of a recovered proxy."""


@dataclass(frozen=True)
class Settings:
    """The options of one run."""

    rounds: int
    """Rounds per proxy."""
    connections: int
    """Clients, each with at most one request in progress."""
    outage: float
    """Seconds without a registry."""
    timeout: float
    """Seconds after which a client gives up a request."""


@dataclass(frozen=True)
class Outcome:
    """What the clients of one proxy observed in one round."""

    version: str
    rate: float
    """Responses with status 200 per second."""
    bad_status: int
    """Responses with another status."""
    broken: int
    """Connections refused, reset, or closed before the end of a response."""
    timed_out: int
    """Requests that clients gave up after their timeout."""
    slow: int
    """Responses that took longer than one second."""
    closed: int
    """Client connections that the proxy closed without `Connection: close`."""
    recovered: float | None
    """Seconds from the fault to the last failed or slow request; None without a recovery."""
    troubles: Mapping[str, Mapping[str, int]]
    """Failed and slow requests by kind, counted per tenth of a second since the fault."""

    @property
    def failed(self) -> int:
        """Failed requests of all kinds."""
        return self.bad_status + self.broken + self.timed_out

    @classmethod
    def of(cls, version: str, report: ClientReport, took: float, injected: float, deadline: float) -> Outcome:
        """Summarize the report of the clients.

        Args:
            version: the version of the proxy.
            report: what the clients recorded.
            took: the duration of the report in seconds.
            injected: the monotonic time of the fault.
            deadline: the monotonic time by which the failures of a recovered proxy have ended.
        """
        last = max((moment - injected for moment, _ in report.troubles), default=0.0)
        troubles: dict[str, Counter[str]] = {}
        for moment, kind in report.troubles:
            troubles.setdefault(kind, Counter())[f"{int(10 * (moment - injected)) / 10:.1f}"] += 1
        broken = report.refused + report.reset + report.truncated
        return cls(
            version=version,
            rate=report.answers / took,
            bad_status=report.bad_status,
            broken=broken,
            timed_out=report.timed_out,
            slow=report.slow,
            closed=report.closed_unannounced + report.reset + report.truncated,
            recovered=max(0.0, last) if injected + last < deadline else None,
            troubles=troubles,
        )


def measure(follower: Follower, fault: Fault, settings: Settings, cores: Cores) -> Outcome:
    """Start one proxy, inject the fault, and observe its clients."""
    with ExitStack() as stack:
        environment = Environment(cores.load, follower.tags, stack)
        home = stack.enter_context(temporary_directory())
        site = Site(home, free_port(), tuple(backend.ports[0] for backend in environment.backends))
        command = follower.command(site, environment.registry)
        proxy = stack.enter_context(serve(follower.name, command, site.port, home, cores.proxy))
        proxy.wait_until_ready("/")
        began = time.monotonic()
        clients = CheckingProcess(site.port, settings.connections, cores.load, settings.timeout)
        try:
            if not wait_for(environment.is_served, START_TIMEOUT):
                raise StartError(f"{follower.name} does not send requests to all backends")
            time.sleep(BEFORE)
            injected = time.monotonic()
            fault.inject(environment, settings.outage)
            time.sleep(fault.seconds)
            ended = time.monotonic()  # Stopping everything can take seconds without requests.
        finally:
            report = clients.finish()
    deadline = ended - settings.timeout - CALM
    return Outcome.of(follower.version(), report, ended - began, injected, deadline)
