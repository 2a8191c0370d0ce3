"""Slow start: the weight of a new backend ramps up to its full value.

A process that has just started has cold caches, uncompiled code and no connection to its database. A full
share of requests at once makes these requests slow (Traefik issue 4845, Envoy issue 11050). So the weight of
a new backend grows from a tenth to the full value, in ten equal steps over `--slow-start`. All policies
honour weights, so slow start needs no code in any of them. Between two steps, and without
new backends, it costs nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from math import floor

from pylb.model import Key, PoolState
from pylb.policy.backend import Backend, State

Identity = tuple[Key, str]

STEPS = 10
"""Envoy starts with a tenth as well. More steps would be smoother but rebuild the balancer more often."""


class SlowStart:
    """The new backends of one pool, and the progress of each.

    Args:
        seconds: duration of the ramp for instances that define none; 0 switches slow start off.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._began: dict[Backend, float] = {}
        """New backends, and the start of the ramp of each."""
        self._known: set[Identity] = set()
        """Instances that have received requests, and that the registry has listed ever since."""

    def begin(self, added: Collection[Backend], state: PoolState, now: float, *, alone: bool) -> None:
        """Start the ramp of those added backends that are new.

        The first backends of an empty pool have no ramp, because no other backend could take the remaining
        requests. A known instance has none either: one whose check failed temporarily, or that an operator
        drained, has been running all the time.

        Args:
            added: backends that were not in the pool before; some may still be draining.
            state: the new state of the pool.
            now: monotonic seconds.
            alone: whether the pool had no eligible backend before.
        """
        listed = {(e.key, e.authority) for e in state.endpoints}
        self._began = {backend: since for backend, since in self._began.items() if backend.identity in listed}
        for backend in added:
            backend.ramp_fraction = 1
            known = backend.state is State.DRAINING or backend.identity in self._known
            if not (alone or known) and self._time(backend):
                backend.ramp_fraction = 1 / STEPS
                self._began[backend] = now
        excluded = {(x.endpoint.key, x.endpoint.authority) for x in state.excluded}
        self._known = listed | (self._known & excluded)

    def advance(self, now: float) -> bool:
        """Advance the ramps. Returns True if a weight has changed. Called a few times a second."""
        grown = False
        for backend, since in list(self._began.items()):
            seconds = self._time(backend)
            elapsed = (now - since) / seconds if seconds else 1.0
            fraction = min(max(floor(elapsed * STEPS), 1) / STEPS, 1)
            if fraction >= 1:
                fraction = 1
                del self._began[backend]
            if fraction != backend.ramp_fraction:
                backend.ramp(fraction)
                grown = True
        return grown

    def _time(self, backend: Backend) -> float:
        own = backend.endpoint.slow_start
        return self.seconds if own is None else own
