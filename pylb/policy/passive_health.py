"""Where a pool's backends stand, from up to failed, by what requests and probes say of them.

The rules for one backend are those of `policy.health`; here is what takes all of a pool into account. Each
method says whether somebody stands elsewhere now, so that the pool finds out anew who may be picked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection

from pylb.policy.backend import Backend, State
from pylb.policy.health import HealthRules, Outcome, judge
from pylb.policy.lease import Lease
from pylb.policy.outliers import Outliers

TIMED = frozenset({State.SUSPECT, State.EJECTED})
"""Where a backend stands for some time only."""


class HealthTracker:
    """Keeps those of one pool.

    Args:
        rules: when a backend that fails is left alone.
        outliers: finds those that fail more often than their peers, if that is wanted.
        events: counts changes, by where a backend stands then.
        on_state_change: called with each backend that stands elsewhere.
    """

    def __init__(
        self,
        rules: HealthRules,
        outliers: Outliers | None,
        events: Counter[str],
        on_state_change: Callable[[Backend], None],
    ) -> None:
        self._rules = rules
        self._outliers = outliers
        self._events = events
        self._notice = on_state_change
        self._marked: set[Backend] = set()
        """Those that are left alone for some time."""

    def on_attempt(self, lease: Lease, now: float, backends: Collection[Backend]) -> bool:
        """What an attempt says of its backend.

        Args:
            lease: the attempt, at its end.
            now: monotonic seconds.
            backends: all of the pool.
        """
        backend, health = lease.backend, lease.backend.health
        if backend.state in {State.DRAINING, State.GONE, State.FAILED} or backend.endpoint.trusted:
            return False
        client_gave_up = now - lease.started if lease.client_gave_up else 0.0
        outcome = judge(
            lease.error,
            lease.status,
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
            return backend.state is not State.UP and self._place(backend, State.UP)
        backend.needs_settle = True
        suspect = health.failed(outcome, lease.started, now, self._rules)
        hangs = outcome is not Outcome.SILENCE or self._others_answer(backend, backends)
        if hangs and health.is_due(self._rules) and self._may_eject(backend, len(backends)):
            health.eject(now, self._rules)
            return self._place(backend, State.EJECTED)
        return suspect and self._place(backend, State.SUSPECT)

    def on_probe(self, backend: Backend) -> bool:
        """Probes have a new verdict, or an operator vouches for it: what requests have said is past."""
        verdict = backend.endpoint.verdict
        backend.clear()
        backend.health.refused = verdict is not None and verdict.refused
        return self._place(backend, State.FAILED if backend.endpoint.failed else State.UP)

    def on_peer_update(
        self, backend: Backend, state: State, *, since: float, until: float, refused: bool, size: int
    ) -> bool:
        """Take over what another worker has found out, if that is news; nobody is told of it again.

        Two workers may eject different backends in one moment: each keeps to what a pool can do without.

        Args:
            backend: whom it is about.
            state: `UP`, `SUSPECT` or `EJECTED`.
            since: when the mark was made that this is about, in monotonic seconds, which all processes of a
                machine share. What is older than the mark that is known here is no news.
            until: when its time is over.
            refused: whether it accepts no connection.
            size: how many backends there are.
        """
        health = backend.health
        if backend.endpoint.trusted or backend.state is State.FAILED or since < health.since:
            return False
        if state is State.EJECTED and not self._may_eject(backend, size):
            return False
        health.since, health.until, health.refused = since, until, refused
        if state is not State.UP:
            backend.needs_settle = True
        backend.state = state
        return self._place(backend, state)

    def forget(self, backends: Collection[Backend]) -> None:
        """These have left the pool."""
        self._marked.difference_update(backends)

    def tick(self, backends: Collection[Backend], now: float) -> bool:
        """Put those on probation whose time is over, look for outliers. Called a few times a second."""
        over = [backend for backend in self._marked if backend.health.until <= now]
        for backend in over:
            self._place(backend, State.HALF_OPEN)
        return self._eject_outliers(backends, now) or bool(over)

    def _eject_outliers(self, backends: Collection[Backend], now: float) -> bool:
        ejected = False
        for backend in self._outliers.find(backends, now) if self._outliers else ():
            up = backend.state is State.UP and not backend.endpoint.trusted
            if up and self._may_eject(backend, len(backends)):
                backend.needs_settle = True
                backend.health.eject(now, self._rules)
                ejected = self._place(backend, State.EJECTED)
        return ejected

    def _others_answer(self, backend: Backend, backends: Collection[Backend]) -> bool:
        """Whether another backend answered anything since this one began to fail."""
        first = backend.health.first
        return any(other.answered >= first for other in backends if other is not backend)

    def _may_eject(self, backend: Backend, size: int) -> bool:
        """Whether a pool of that size can do without it as well."""
        ejected = sum(other.state is State.EJECTED for other in self._marked if other is not backend)
        return ejected + 1 <= self._rules.share * size

    def _place(self, backend: Backend, state: State) -> bool:
        if backend.state is not state:
            backend.state = state
            self._events[state.value] += 1
            self._notice(backend)
        backend.health.trial = None
        (self._marked.add if state in TIMED else self._marked.discard)(backend)
        return True
