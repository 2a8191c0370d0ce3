"""The states of a pool's backends, by the results of requests and probes.

`policy.health` has the rules for a single backend; this file has the rules that concern the whole pool, such
as how many backends may be ejected. Each method returns True if a backend changed state, so that the pool
recomputes which backends are eligible.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection

from pylb.config.backends import Health
from pylb.grpc_codes import FAILURES
from pylb.policy.backend import Backend, State
from pylb.policy.health import Outcome, classify
from pylb.policy.lease import Lease
from pylb.policy.outliers import Outliers

TIMED = frozenset({State.SUSPECT, State.EJECTED})
"""States that end after some time."""


class HealthTracker:
    """Tracks the states of one pool's backends.

    Args:
        options: when a failing backend is excluded, and for how long.
        outliers: finds backends that fail more often than their peers; None switches this off.
        events: counts changes of state, by the new state.
        on_state_change: called with each backend that changed state.
    """

    def __init__(
        self,
        options: Health,
        outliers: Outliers | None,
        events: Counter[str],
        on_state_change: Callable[[Backend], None],
    ) -> None:
        self.configure(options, outliers)
        self._events = events
        self._on_state_change = on_state_change
        self._excluded: set[Backend] = set()
        """Suspect and ejected backends."""

    def configure(self, options: Health, outliers: Outliers | None) -> None:
        """Apply other options. Exclusions that have begun end as they would have."""
        self._options = options
        self._outliers = outliers

    def on_attempt(self, lease: Lease, now: float, backends: Collection[Backend]) -> bool:
        """Apply the result of an attempt.

        Args:
            lease: the attempt, at its end.
            now: monotonic seconds.
            backends: all backends of the pool.
        """
        backend, health = lease.backend, lease.backend.health
        if backend.state in {State.DRAINING, State.GONE, State.FAILED} or backend.overlay.restored:
            return False
        client_gave_up = now - lease.started if lease.client_gave_up else 0.0
        outcome = classify(
            lease.error,
            500 if lease.grpc_status in FAILURES else lease.status,
            reused=lease.reused,
            answered=lease.answered,
            client_gave_up=client_gave_up,
            client_delayed=lease.client_delayed,
        )
        if outcome is None or (outcome is Outcome.SILENCE and backend.answered > lease.started):
            return False
        if outcome is Outcome.SUCCESS:
            if not health.succeeded(lease.started, now):
                return False
            backend.needs_settle = backend.limited
            return backend.state is not State.UP and self._set_state(backend, State.UP)
        backend.needs_settle = True
        suspect = health.failed(outcome, lease.started, now, self._options)
        hangs = outcome is not Outcome.SILENCE or self._others_answer(backend, backends)
        if hangs and health.is_due(self._options) and self._may_eject(backend, len(backends)):
            health.eject(now, self._options)
            return self._set_state(backend, State.EJECTED)
        return suspect and self._set_state(backend, State.SUSPECT)

    def on_probe(self, backend: Backend) -> bool:
        """Apply a new probe verdict or a `restore` override; earlier results of requests no longer count."""
        verdict = backend.overlay.verdict
        backend.clear()
        backend.health.unreachable = verdict is not None and verdict.unreachable
        return self._set_state(backend, State.FAILED if backend.overlay.failed else State.UP)

    def on_peer_update(
        self, backend: Backend, state: State, *, since: float, until: float, unreachable: bool, size: int
    ) -> bool:
        """Apply a change of state that another worker has detected, without reporting it again.

        Two workers may eject different backends at the same moment, so the limit on ejections applies here,
        too.

        Args:
            backend: the backend concerned.
            state: `UP`, `SUSPECT` or `EJECTED`.
            since: when the other worker changed the state, in monotonic seconds, which all processes of a
                machine share. A change older than the last one known here is ignored.
            until: end of the exclusion.
            unreachable: whether no connection to the backend can be opened.
            size: number of backends in the pool.
        """
        health = backend.health
        if backend.overlay.restored or backend.state is State.FAILED or since < health.since:
            return False
        if state is State.EJECTED and not self._may_eject(backend, size):
            return False
        health.since, health.until, health.unreachable = since, until, unreachable
        if state is not State.UP:
            backend.needs_settle = True
        backend.state = state
        return self._set_state(backend, state)

    def forget(self, backends: Collection[Backend]) -> None:
        """Stop tracking backends that have left the pool."""
        self._excluded.difference_update(backends)

    def tick(self, backends: Collection[Backend], now: float) -> bool:
        """End exclusions that are over (half-open), eject outliers. Called a few times a second."""
        over = [backend for backend in self._excluded if backend.health.until <= now]
        for backend in over:
            self._set_state(backend, State.HALF_OPEN)
        return self._eject_outliers(backends, now) or bool(over)

    def _eject_outliers(self, backends: Collection[Backend], now: float) -> bool:
        ejected = False
        for backend in self._outliers.find(backends, now) if self._outliers else ():
            up = backend.state is State.UP and not backend.overlay.restored
            if up and self._may_eject(backend, len(backends)):
                backend.needs_settle = True
                backend.health.eject(now, self._options)
                ejected = self._set_state(backend, State.EJECTED)
        return ejected

    def _others_answer(self, backend: Backend, backends: Collection[Backend]) -> bool:
        """Whether another backend has answered a request since this one began to fail."""
        first = backend.health.first
        return any(other.answered >= first for other in backends if other is not backend)

    def _may_eject(self, backend: Backend, size: int) -> bool:
        """Whether the share of ejected backends in a pool of that size stays within the limit."""
        ejected = sum(other.state is State.EJECTED for other in self._excluded if other is not backend)
        return 100 * (ejected + 1) <= self._options.max_ejection_percent * size

    def _set_state(self, backend: Backend, state: State) -> bool:
        """Set and report the state of a backend; always returns True."""
        if backend.state is not state:
            backend.state = state
            self._events[state.value] += 1
            self._on_state_change(backend)
        backend.health.trial = None
        (self._excluded.add if state in TIMED else self._excluded.discard)(backend)
        return True
