"""What is done to a pylb under load, again and again, and what is noted meanwhile."""

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
"""Instances that stay."""
PASSING = 8
"""Origins that the instances which come and go use in turn, so that each differs from the one before."""
PATIENCE = 10.0
"""Seconds after which a change that has not reached the traffic is given up."""
RELOADED = r"generation \d+ serves"
UPGRADED = r"has taken over"
WORKER_SERVES = r"worker \d+ is serving"
FAILED = r"(reload|upgrade) (refused|given up)"
CONTROL_SERVES = r"pylb is serving"


@dataclass
class FaultResult:
    """What was done, and what came of it."""

    reloads: int = 0
    upgrades: int = 0
    kills: int = 0
    exposed: int = 0
    """Client connections that the killed workers had at the moment of their end: no more can be lost."""
    back: list[float] = field(default_factory=list)
    """Seconds from each kill until another process did the work."""
    arrived: list[float] = field(default_factory=list)
    """Seconds from then to the first request at an instance that was registered right after the kill."""
    missed: int = 0
    """Reloads and upgrades that were given up; changes that did not reach the traffic in time."""


@dataclass(frozen=True)
class Environment:
    """A pylb, and what is behind it."""

    program: Program
    catalog: Catalog
    origins: Origins
    """Those that stay, then those that come and go."""


def turns(seconds: float, every: float) -> Iterator[float]:
    """Begin a turn every so many seconds, or as soon as the last one is over; yield the part that is over."""
    began = time.monotonic()
    number = 0
    while (now := time.monotonic()) < began + seconds:
        yield (now - began) / seconds
        number += 1
        time.sleep(max(0.0, began + number * every - time.monotonic()))


def reload(environment: Environment, seconds: float) -> FaultResult:
    """HUP every 2 s, and one USR2 in the middle."""
    program = environment.program
    upgrade_due = True
    for passed in turns(seconds, 2):
        if passed >= 0.5 and upgrade_due:
            upgrade_due = False
            program.supervisor.send_signal(signal.SIGUSR2)
            program.await_word(UPGRADED, 1)
        program.supervisor.send_signal(signal.SIGHUP)
    return FaultResult(
        reloads=program.said(RELOADED), upgrades=program.said(UPGRADED), missed=program.said(FAILED)
    )


def kill_workers(environment: Environment, seconds: float) -> FaultResult:
    """KILL for a random worker every 5 s."""
    program, faults = environment.program, FaultResult()
    for _ in turns(seconds, 5):
        serving = program.said(WORKER_SERVES)
        victim = random.choice(program.children("worker"))
        faults.exposed += program.clients_of(victim)
        victim.kill()
        killed = time.monotonic()
        program.await_word(WORKER_SERVES, serving + 1)
        faults.back.append(time.monotonic() - killed)
        faults.kills += 1
    return faults


def kill_control(environment: Environment, seconds: float) -> FaultResult:
    """KILL for control every 3 s, each time with an instance that comes right after that, and goes again."""
    program, faults = environment.program, FaultResult()
    for _ in turns(seconds, 3):
        serving = program.said(CONTROL_SERVES)
        (control,) = program.children("control")
        control.kill()
        killed = time.monotonic()
        slot = STEADY + faults.kills % PASSING
        cycle = ChurnCycle(environment.catalog, environment.origins, slot, f"web-new-{faults.kills}")
        faults.kills += 1
        cycle.arrive()
        program.await_word(CONTROL_SERVES, serving + 1)
        back = time.monotonic()
        faults.back.append(back - killed)
        if wait_for(lambda cycle=cycle: cycle.is_seen, PATIENCE):  # type: ignore[misc]
            faults.arrived.append(max(0.0, cycle.registered + (cycle.appeared or 0.0) - back))
        else:
            faults.missed += 1
        cycle.leave()
        faults.missed += not wait_for(lambda cycle=cycle: cycle.is_over, PATIENCE)  # type: ignore[misc]
    return faults
