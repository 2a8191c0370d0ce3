"""The faults: what is broken, and how long the effects are observed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.failure.environment import Environment

REGISTER_DELAY = 1.0
"""Seconds from the restart of the registry until the instances are registered again."""


@dataclass(frozen=True)
class Fault:
    """One kind of fault."""

    about: str
    inject: Callable[[Environment, float], None]
    """Injects the fault. The argument is the length of an outage in seconds.

    Returns when everything that comes back after the outage has come back.
    """
    seconds: float
    """Seconds of observation from then on: enough for checks to react and for clients to time out."""


def kill_backend(environment: Environment, _outage: float) -> None:
    """Kill one backend. Its connections are reset, and its port is closed."""
    environment.backends[0].server.processes[0].kill()


def hang_backend(environment: Environment, _outage: float) -> None:
    """Stop one backend. The kernel still accepts its connections."""
    process = environment.backends[0].server.processes[0]
    environment.until.callback(process.resume)
    process.suspend()


def lose_registry(environment: Environment, outage: float) -> None:
    """Kill the registry, restart it empty, and register the instances again."""
    environment.consul.processes[0].kill()
    time.sleep(outage)
    environment.start_registry()
    time.sleep(REGISTER_DELAY)
    environment.register()


FAULTS = {
    "killed": Fault("one of three backends killed", kill_backend, 14.0),
    "hung": Fault("one of three backends hung", hang_backend, 24.0),
    "registry": Fault("registry killed, restarted empty, filled again", lose_registry, 8.0),
}
"""All faults by name, in the order in which they are shown."""
