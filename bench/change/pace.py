"""When instances are registered and deregistered: one after the other, or at a fixed rate."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from operator import itemgetter

from bench.change.environment import Settings
from bench.lib.churn_cycle import QUIET, ChurnCycle
from bench.lib.server import wait_for


def one_by_one(
    cycles: Sequence[ChurnCycle], settings: Settings, timeout: float, done: Callable[[], None]
) -> None:
    """Start each churn cycle when the previous one has ended in the traffic.

    Args:
        cycles: the churn cycles to run.
        settings: whether an instance stops after its deregistration, and when.
        timeout: seconds to wait for a change to reach the traffic.
        done: called after each change.
    """
    for cycle in cycles:
        cycle.register()
        wait_for(lambda cycle=cycle: cycle.has_requests, timeout)  # type: ignore[misc]
        done()
        time.sleep(QUIET)
        cycle.deregister()
        if settings.stops:
            time.sleep(settings.notice)
            cycle.end()
        await_end([cycle], timeout)
        done()


def at_rate(cycles: Sequence[ChurnCycle], settings: Settings, done: Callable[[], None]) -> None:
    """Run the churn cycles with `settings.rate` changes per second, each at its scheduled time.

    Args:
        cycles: the churn cycles to run.
        settings: the rate, the lifetime, and whether an instance stops afterwards.
        done: called after each change.
    """
    assert settings.rate
    began, interval = time.monotonic(), 2 / settings.rate
    agenda: list[tuple[float, Callable[[], None]]] = []
    for number, cycle in enumerate(cycles):
        arrival = began + number * interval
        # The additional half interval keeps deregistrations apart from registrations.
        removal = arrival + (round(settings.lifetime / interval) + 0.5) * interval
        agenda += [(arrival, cycle.register), (removal, cycle.deregister)]
        if settings.stops:
            agenda.append((removal + settings.notice, cycle.end))
    for due, act in sorted(agenda, key=itemgetter(0)):
        time.sleep(max(0.0, due - time.monotonic()))
        act()
        done()


def await_end(cycles: Sequence[ChurnCycle], timeout: float) -> None:
    """Wait until no deregistered instance receives requests, or the timeout expires."""
    wait_for(lambda: all(cycle.is_drained for cycle in cycles), timeout)
