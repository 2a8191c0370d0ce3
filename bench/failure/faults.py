"""What fails: a backend, or the registry."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.failure.environment import Environment

AGAIN = 1.0
"""Seconds from the registry's return until the instances are registered again."""


@dataclass(frozen=True)
class Fault:
    """Something that fails."""

    about: str
    strike: Callable[[Environment, float], None]
    """Is given the length of an outage, and returns when all has happened: what comes back is there again."""
    seconds: float
    """How long is looked on from then on: while checks take their time, and as long as clients wait."""


def kill_backend(environment: Environment, _outage: float) -> None:
    """Nothing listens any more; what was under way is reset."""
    environment.backends[0].server.processes[0].kill()


def hang_backend(environment: Environment, _outage: float) -> None:
    """Connections are still taken, by the kernel."""
    process = environment.backends[0].server.processes[0]
    environment.until.callback(process.resume)
    process.suspend()


def lose_registry(environment: Environment, outage: float) -> None:
    """It is gone, then it is empty, then all is as before."""
    environment.consul.processes[0].kill()
    time.sleep(outage)
    environment.start_registry()
    time.sleep(AGAIN)
    environment.register()


FAULTS = {
    "killed": Fault("one of three backends killed", kill_backend, 14.0),
    "hung": Fault("one of three backends hung", hang_backend, 24.0),
    "registry": Fault("registry gone, then empty, then complete", lose_registry, 8.0),
}
"""By name, in the order in which they are shown."""
