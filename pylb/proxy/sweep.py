"""The sweep: one timer for all deadlines and all other periodic duties of the data plane.

The module defines no duty; the server adds them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from math import inf
from time import monotonic

log = logging.getLogger("pylb.sweep")

PERIOD = 0.25
"""Seconds between two sweeps. A timeout may be late by as much; no timeout has a separate timer."""

Duty = Callable[[float], object]
"""Called with the time in monotonic seconds."""


class Sweep:
    """Runs duties four times a second, even if one of them raises.

    The timer is set before the duties run, so no duty can end the sweep. An exception in one duty does not
    prevent the others. Each type of exception is logged, and passed to `on_crash`, once per duty until the
    duty succeeds again.

    Args:
        duties: functions that run in this order.
    """

    def __init__(self, *duties: Duty) -> None:
        self.due = inf
        """When the current sweep was due, in monotonic seconds."""
        self.on_crash: Callable[[str, Exception], object] = lambda *_: None
        """Called with the name of a failed duty and its exception."""
        self._duties: list[tuple[Duty, set[type[Exception]]]] = []
        """The duties, with the types of exceptions that have been logged."""
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
