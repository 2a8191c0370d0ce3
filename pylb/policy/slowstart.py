"""Slow start: a new backend gets its share of requests little by little.

A process that has just begun has cold caches, nothing compiled, no connection to its database; its whole
share at once makes it slow for exactly the requests that were to be relieved (Traefik issue 4845, Envoy issue
11050). So its weight grows from a tenth to all of it, in ten steps, with time. All policies honour weights,
so all of them do this, and none knows of it. Between two steps, and when nobody is new, it costs nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from math import floor

from pylb.model import Key, Snapshot
from pylb.policy.backend import Backend, State

Identity = tuple[Key, str]

STEPS = 10
"""Envoy begins with a tenth as well. More steps would be smoother, and rebuild the balancer more often."""


class SlowStart:
    """The new backends of one pool, and how far each has come.

    Args:
        seconds: how long it takes, where an instance does not say; 0 for no time.
    """

    def __init__(self, seconds: float = 0.0) -> None:
        self._seconds = seconds
        self._began: dict[Backend, float] = {}
        """Those that are new, and since when."""
        self._known: set[Identity] = set()
        """Instances that have had requests, and that the registry has listed ever since."""

    def begin(self, added: Collection[Backend], snapshot: Snapshot, now: float, *, alone: bool) -> None:
        """Take note of a snapshot; those of the added ones that are new start slowly.

        Nobody starts slowly who takes requests that nobody else would. And one whose check failed for a
        moment, or that an operator took out of the rotation, has been running all the while.

        Args:
            added: backends that were not in the pool before; they may still finish what they had then.
            snapshot: what is now.
            now: monotonic seconds.
            alone: whether nobody was in the pool before.
        """
        listed = {(e.key, e.authority) for e in snapshot.endpoints}
        self._began = {backend: since for backend, since in self._began.items() if backend.identity in listed}
        for backend in added:
            backend.part = 1
            known = backend.state is State.DRAINING or backend.identity in self._known
            if not (alone or known) and self._time(backend):
                backend.part = 1 / STEPS
                self._began[backend] = now
        excluded = {(x.endpoint.key, x.endpoint.authority) for x in snapshot.excluded}
        self._known = listed | (self._known & excluded)

    def advance(self, now: float) -> bool:
        """Let those have more whose time has come; whether there were any. Called a few times a second."""
        grown = False
        for backend, since in list(self._began.items()):
            seconds = self._time(backend)
            gone = (now - since) / seconds if seconds else 1.0
            part = min(max(floor(gone * STEPS), 1) / STEPS, 1)
            if part >= 1:
                part = 1
                del self._began[backend]
            if part != backend.part:
                backend.ramp(part)
                grown = True
        return grown

    def _time(self, backend: Backend) -> float:
        own = backend.endpoint.slow_start
        return self._seconds if own is None else own
