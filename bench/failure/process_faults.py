"""Faults of pylb's own processes, injected repeatedly under load."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from bench.lib.churn_cycle import ChurnCycle
from bench.lib.consul import Catalog
from bench.lib.origins import Origins
from bench.lib.program import Program
from bench.lib.server import wait_for

STEADY = 3
"""Permanent instances."""
PASSING = 8
"""Origins that the temporary instances use in turn, so that each differs from the previous one."""
CHANGE_TIMEOUT = 10.0
"""Seconds to wait for a change to reach the traffic."""
RELOADED = r"generation \d+ serves"
UPGRADED = r"has taken over"
WORKER_SERVES = r"worker \d+ is serving"
FAILED = r"(reload|upgrade) (refused|given up)"
CONTROL_SERVES = r"pylb is serving"


@dataclass
class FaultResult:
    """The faults of one round and their direct effects."""

    reloads: int = 0
    upgrades: int = 0
    kills: int = 0
    exposed: int = 0
    """Client connections of the killed workers at that time: the upper bound of lost requests."""
    restarted: list[float] = field(default_factory=list)
    """Seconds from each kill until a new process serves."""
    arrived: list[float] = field(default_factory=list)
    """Seconds from then to the first request to an instance that was registered right after the kill."""
    missed: int = 0
    """Failed reloads and upgrades; changes that did not reach the traffic in time."""


@dataclass(frozen=True)
class Environment:
    """A pylb and its backends."""

    program: Program
    catalog: Catalog
    origins: Origins
    """The permanent origins, followed by the temporary ones."""


def ticks(seconds: float, every: float) -> Iterator[float]:
    """Yield every `every` seconds, for `seconds` in total, the share of the time that has passed."""
    began = time.monotonic()
    number = 0
    while (now := time.monotonic()) < began + seconds:
        yield (now - began) / seconds
        number += 1
        time.sleep(max(0.0, began + number * every - time.monotonic()))


def reload(environment: Environment, seconds: float) -> FaultResult:
    """Send HUP every 2 s, and USR2 once in the middle."""
    program = environment.program
    upgrade_due = True
    for passed in ticks(seconds, 2):
        if passed >= 0.5 and upgrade_due:
            upgrade_due = False
            program.supervisor.send_signal(signal.SIGUSR2)
            program.await_log_lines(UPGRADED, 1)
        program.supervisor.send_signal(signal.SIGHUP)
    return FaultResult(
        reloads=program.log_lines(RELOADED),
        upgrades=program.log_lines(UPGRADED),
        missed=program.log_lines(FAILED),
    )


def kill_workers(environment: Environment, seconds: float) -> FaultResult:
    """Kill a random worker every 5 s."""
    program, faults = environment.program, FaultResult()
    for _ in ticks(seconds, 5):
        serving = program.log_lines(WORKER_SERVES)
        victim = random.choice(program.children("worker"))
        faults.exposed += program.clients_of(victim)
        victim.kill()
        killed = time.monotonic()
        program.await_log_lines(WORKER_SERVES, serving + 1)
        faults.restarted.append(time.monotonic() - killed)
        faults.kills += 1
    return faults


def kill_control(environment: Environment, seconds: float) -> FaultResult:
    """Kill the control process every 3 s. After each kill, register an instance and deregister it again."""
    program, faults = environment.program, FaultResult()
    for _ in ticks(seconds, 3):
        serving = program.log_lines(CONTROL_SERVES)
        (control,) = program.children("control")
        control.kill()
        killed = time.monotonic()
        slot = STEADY + faults.kills % PASSING
        cycle = ChurnCycle(environment.catalog, environment.origins, slot, f"web-new-{faults.kills}")
        faults.kills += 1
        cycle.register()
        program.await_log_lines(CONTROL_SERVES, serving + 1)
        back = time.monotonic()
        faults.restarted.append(back - killed)
        if wait_for(lambda cycle=cycle: cycle.has_requests, CHANGE_TIMEOUT):  # type: ignore[misc]
            faults.arrived.append(max(0.0, cycle.registered + (cycle.appeared or 0.0) - back))
        else:
            faults.missed += 1
        cycle.deregister()
        faults.missed += not wait_for(lambda cycle=cycle: cycle.is_drained, CHANGE_TIMEOUT)  # type: ignore[misc]
    return faults
