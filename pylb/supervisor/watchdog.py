"""The watchdog: detects hung children by the heartbeats that they write to shared memory.

gunicorn's arbiter (`--timeout`) and HAProxy's watchdog do the same: a worker that hangs keeps its connections
and its slot, so it is aborted and replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from math import inf

from pylb.supervisor.child import Child

PERIOD = 1.0
"""Seconds between two checks of the heartbeats without other events."""
STARTUP = 60.0
"""Seconds in which a child must become ready, if that is longer than the timeout."""


class Watchdog:
    """Measures the time since the last heartbeat of each child.

    Only time in which the supervisor itself ran counts: a machine or a container that was paused for an hour
    has no hung workers afterwards.

    Args:
        timeout: seconds without a heartbeat after which a child is hung; None: never.
        heartbeat: the last heartbeat of a row of the shared memory; it changes while the child works.
        now: monotonic seconds.
    """

    def __init__(self, timeout: float | None, heartbeat: Callable[[int], int], now: float) -> None:
        self._timeout = inf if timeout is None else timeout
        self._heartbeat = heartbeat
        self._checked_at = now

    @property
    def enabled(self) -> bool:
        """Whether there is a timeout."""
        return self._timeout < inf

    def hung(self, children: Iterable[Child], now: float) -> Iterator[Child]:
        """Yield the children that are hung. `now`: monotonic seconds."""
        elapsed = min(now - self._checked_at, 2 * PERIOD)
        self._checked_at = now
        for child in children:
            if child.row is None:
                continue
            heartbeat = self._heartbeat(child.row)
            child.silence = child.silence + elapsed if heartbeat == child.heartbeat else 0.0
            child.heartbeat = heartbeat
            if child.silence > (self._timeout if child.served else max(self._timeout, STARTUP)):
                yield child
