"""When instances come and go: one after the other, or so many per second."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from operator import itemgetter

from bench.change.environment import Settings
from bench.lib.churn_cycle import QUIET, ChurnCycle
from bench.lib.server import wait_for


def one_by_one(
    cycles: Sequence[ChurnCycle], settings: Settings, patience: float, done: Callable[[], None]
) -> None:
    """Let each come when the one before it is gone from the traffic.

    Args:
        cycles: those that come and go.
        settings: what becomes of those that have left.
        patience: seconds after which a change that has not reached the traffic is given up.
        done: is called after each change.
    """
    for cycle in cycles:
        cycle.arrive()
        wait_for(lambda cycle=cycle: cycle.is_seen, patience)  # type: ignore[misc]
        done()
        time.sleep(QUIET)
        cycle.leave()
        if settings.stops:
            time.sleep(settings.notice)
            cycle.end()
        await_end([cycle], patience)
        done()


def at_rate(cycles: Sequence[ChurnCycle], settings: Settings, done: Callable[[], None]) -> None:
    """Let them come and go, so many changes per second, each at its moment.

    Args:
        cycles: those that come and go.
        settings: how often, how long each stays, and what becomes of it then.
        done: is called after each change.
    """
    assert settings.rate
    began, turn = time.monotonic(), 2 / settings.rate
    agenda: list[tuple[float, Callable[[], None]]] = []
    for number, cycle in enumerate(cycles):
        arrival = began + number * turn
        # With half a turn more, a departure never falls together with an arrival.
        departure = arrival + (round(settings.stay / turn) + 0.5) * turn
        agenda += [(arrival, cycle.arrive), (departure, cycle.leave)]
        if settings.stops:
            agenda.append((departure + settings.notice, cycle.end))
    for due, act in sorted(agenda, key=itemgetter(0)):
        time.sleep(max(0.0, due - time.monotonic()))
        act()
        done()


def await_end(cycles: Sequence[ChurnCycle], patience: float) -> None:
    """Wait until none of those that have left gets a request any more, or patience is over."""
    wait_for(lambda: all(cycle.is_over for cycle in cycles), patience)
