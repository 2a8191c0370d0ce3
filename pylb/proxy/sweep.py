"""The sweep: one timer for every deadline and every other periodic duty of the data plane."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from math import inf
from time import monotonic

log = logging.getLogger("pylb.sweep")

PERIOD = 0.25
"""Seconds between two sweeps. A timeout may be late by as much, and needs no timer of its own."""

Duty = Callable[[float], object]
"""Gets the time in monotonic seconds."""


class Sweep:
    """Runs duties four times a second, even if one of them raises.

    The timer is armed before the duties run, so nothing that a duty does can end the sweep. A duty that
    raises does not keep the others from running. The log has one line for each kind of exception of a duty
    until the duty succeeds again, and `on_crash` is called as often.

    Args:
        duties: what to do, in this order.
    """

    def __init__(self, *duties: Duty) -> None:
        self.due = inf
        """When the present sweep should have begun, in monotonic seconds."""
        self.on_crash: Callable[[str, Exception], object] = lambda *_: None
        """Takes the name of a duty that failed, and what it raised."""
        self._duties: list[tuple[Duty, set[type[Exception]]]] = []
        """With the kinds of exceptions that are logged already."""
        self._timer: asyncio.TimerHandle | None = None
        for duty in duties:
            self.add(duty)

    def add(self, duty: Duty) -> None:
        """Run one more duty in every sweep."""
        self._duties.append((duty, set()))

    def start(self) -> None:
        """Sweep now and periodically from now on. Does nothing if already started."""
        if self._timer is None:
            self._run()

    def stop(self) -> None:
        """Stop sweeping."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _run(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(PERIOD, self._run)
        now = monotonic()
        for duty, logged in self._duties:
            try:
                duty(now)
            except Exception as error:
                if type(error) not in logged:
                    logged.add(type(error))
                    log.exception("%s failed; it is tried again every %g s", _name(duty), PERIOD)
                    self.on_crash(_name(duty), error)
            else:
                logged.clear()
        self.due = now + PERIOD


def _name(duty: Duty) -> str:
    return getattr(duty, "__name__", repr(duty)).strip("_").replace("_", " ")
