"""A service's pool: the one place where discovery and requests meet.

`apply` swaps in a snapshot as a diff, `lease` hands out a backend for the time of one attempt, `settle` takes
note of what came of it. Eligibility is computed when something changes, never per request; balancers only
ever see backends that may be picked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import chain
from random import Random
from typing import Any

from pylb.errors import Fault, Phase, ProxyError
from pylb.model import Endpoint, Key, Snapshot
from pylb.policy.backend import Backend, State
from pylb.policy.balance import BALANCERS, Balancer
from pylb.policy.balance.limited import Limited, least_loaded_with_capacity
from pylb.policy.budget import BudgetRules, RetryBudget
from pylb.policy.health import HealthRules
from pylb.policy.lease import Lease
from pylb.policy.outliers import Outliers
from pylb.policy.passive_health import HealthTracker
from pylb.policy.queue import Queue, QueueRules, Waiter
from pylb.policy.slowstart import SlowStart

REDRAWS = 3
"""Picks that may hit backends already tried, before a balancer is built over the others alone. In a large
pool one is enough, and building costs as much there as a change of the pool."""

REASONS = 5
"""Instances whose exclusion is explained when none is left; one line in a log has to hold them."""


@dataclass(frozen=True, slots=True)
class Change:
    """What one snapshot did to a pool. The caller closes the idle connections of `removed`."""

    added: tuple[Backend, ...] = ()
    """New, or returned before they had drained."""
    updated: tuple[Backend, ...] = ()
    removed: tuple[Backend, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.updated or self.removed)

    def __str__(self) -> str:
        marked = [("+", self.added), ("~", self.updated), ("-", self.removed)]
        return " ".join(f"{mark}{b.endpoint.id or b.name}" for mark, backends in marked for b in backends)


class Pool:
    """The backends of one service.

    Args:
        service: its name in the registry.
        policy: a key of `BALANCERS`, for as long as a snapshot names no other one.
        rng: source of every random choice; seed it and the picks repeat.
        cells: makes the counters of a new backend.
        budget: how many retries there may be.
        health: when a backend that fails is left alone.
        outliers: finds those that fail more often than their peers, if that is wanted.
        slow_start: seconds in which a new backend comes to its whole share; 0 for at once.
        queue: how many requests a backend gets at a time, and what becomes of the others.
        clock: monotonic seconds; asked only when something failed.
        on_state_change: called when what traffic says of a backend has changed where it stands.
    """

    kind: type[Backend] = Backend
    """What it makes of an endpoint."""

    def __init__(
        self,
        service: str,
        *,
        policy: str = "least-connections",
        rng: Random | None = None,
        cells: Callable[[Endpoint], Any] = lambda _: None,
        budget: BudgetRules | None = None,
        health: HealthRules | None = None,
        outliers: Outliers | None = None,
        slow_start: float = 0.0,
        queue: QueueRules | None = None,
        clock: Callable[[], float] = lambda: 0.0,
        on_state_change: Callable[[Backend], None] = lambda _: None,
    ) -> None:
        self.service = service
        self.snapshot: Snapshot | None = None
        self.backends: dict[tuple[Key, str], Backend] = {}
        """Every backend that the last snapshot names, by key and authority."""
        self.draining: dict[tuple[Key, str], Backend] = {}
        """Those that it no longer names, and that still have requests."""
        self.eligible: tuple[Backend, ...] = ()
        """Those that may be picked."""
        self.panics = False
        """Whether so few are fit that their failures are overlooked."""
        self.events: Counter[str] = Counter()
        """How often a backend became `suspect`, `ejected`, `failed` or `up` again, or was put on
        `probation`, the pool began to `panic`, there was no budget for a retry (`retry_denied`), a request
        had to wait for a backend with room (`queued`), in vain (`queue_timeout`), or could not even do that
        (`queue_full`)."""
        self.queue = Queue(queue or QueueRules())
        """Requests that wait for a backend with room."""
        self.waiting_elsewhere = 0
        """Those that do so in other processes, as far as this one was told of them."""
        self.on_state_change = on_state_change
        self.policy = policy
        """A key of `BALANCERS`."""
        self.requests = 0
        """How many have been given a backend, since the start."""
        self._default_policy = policy
        self._budget = RetryBudget(budget)
        self._policy = BALANCERS[policy]
        self._rng = rng or Random()
        self._cells = cells
        self._health = health or HealthRules()
        self._clock = clock
        self._health_tracker = HealthTracker(self._health, outliers, self.events, self._tell)
        self._slow_start = SlowStart(slow_start)
        self._unlimited: Balancer = self._policy((), self._rng)
        """The policy, made for those that are eligible."""
        self._balancer = self._unlimited
        """Who is asked: the policy, or what sees to it that limits are kept."""
        self.untested: list[Backend] = []
        """Backends that joined others, and have had no request yet, as far as is known here."""
        self.half_open: list[Backend] = []
        """Those that get one request at a time."""

    def apply(self, snapshot: Snapshot) -> Change:
        """Replace what is known by `snapshot`; unchanged backends keep counters, health and connections.

        An instance that returns while its last requests still run goes on as the same backend.
        """
        endpoints = {(endpoint.key, endpoint.authority): endpoint for endpoint in snapshot.endpoints}
        backends: dict[tuple[Key, str], Backend] = {}
        added, updated, judged, reweighted = [], [], [], False
        for identity, endpoint in endpoints.items():
            backend = self.backends.get(identity)
            if backend is None:
                backend = self.draining.get(identity) or self.kind(endpoint, self._cells(endpoint))
                added.append(backend)
            elif backend.endpoint is not endpoint and backend.endpoint != endpoint:
                reweighted |= backend.endpoint.weight != endpoint.weight
                reweighted |= backend.endpoint.max_conn != endpoint.max_conn
                updated.append(backend)
                if backend.endpoint.verdict != endpoint.verdict or endpoint.trusted:
                    judged.append(backend)
            backends[identity] = backend
        removed = {identity: b for identity, b in self.backends.items() if identity not in backends}

        alone = not self.eligible
        self._slow_start.begin(added, snapshot, self._clock(), alone=alone)
        for backend in (*added, *updated):
            backend.update(endpoints[backend.identity])
            backend.limit = self.queue.rules.limit(backend.endpoint)
            backend.needs_settle |= backend.limited
        for backend in added:
            backend.clear()
            backend.state = State.FAILED if backend.endpoint.failed else State.UP
        for backend in removed.values():
            backend.state = State.DRAINING if backend.inflight else State.GONE
            backend.needs_settle = True
        self.draining = {
            identity: backend
            for identity, backend in (self.draining | removed).items()
            if backend.state is State.DRAINING
        }
        self.backends = backends
        self.snapshot = snapshot
        self._health_tracker.forget(removed.values())
        for backend in judged:
            self._health_tracker.on_probe(backend)
        policy = snapshot.policy or self._default_policy
        if policy != self.policy:
            self.policy, self._policy, reweighted = policy, BALANCERS[policy], True
        self.untested += [] if alone else added
        self.rebuild(reweighted=reweighted)
        self._serve_queue()
        return Change(tuple(added), tuple(updated), tuple(removed.values()))

    def lease(self, tried: Collection[Backend] = (), now: float = 0.0) -> Lease:
        """Choose a backend, one not in `tried` while there is another.

        Who is new gets the next request, whatever the policy says: among hundreds, and with a tenth of its
        weight, its turn would come late, and so would the news that it works, or does not. Who is on
        probation gets the next one, too, and no other while that one is not answered, unless its client is
        slow to send it.

        Args:
            tried: backends that the request has failed on.
            now: monotonic seconds; the lease starts here.

        Raises:
            ProxyError: there is no backend that may be picked (503).
            Full: there are, but they have as many requests as they may; see `join_queue`.
        """
        if not tried and (self.untested or self.half_open):
            introduced = self._first_request(now)
            if introduced is not None:
                return introduced
        if not self.eligible:
            raise ProxyError(Phase.QUEUE, Fault.DOWN, self.why_empty())
        if tried:
            return Lease(self, self._another(tried), now)
        self.requests += 1
        return Lease(self, self._balancer.pick(), now)

    def _first_request(self, now: float) -> Lease | None:
        """A lease of who goes first; a newcomer that has a request by other ways is none any more."""
        first = self._first(now)
        self.untested = [b for b in self.untested if b is not first and not b.inflight]
        if first is None:
            return None
        self.requests += 1
        lease = Lease(self, first, now)
        if first.state is State.HALF_OPEN:
            first.health.trial = lease
        return lease

    def _first(self, now: float) -> Backend | None:
        """Who gets the next request, whatever the policy says."""
        new = (b for b in self.untested if not b.inflight)
        again = (b for b in self.half_open if b.health.takes_trial(now) and b.inflight < b.limit)
        return next(chain(new, again), None)

    def join_queue(self, waiter: Waiter) -> None:
        """Wait until a backend has room.

        Raises:
            ProxyError: too many wait already (503).
        """
        try:
            self.queue.join(waiter)
        except ProxyError:
            self.events["queue_full"] += 1
            raise
        self.events["queued"] += 1

    @property
    def waiting(self) -> int:
        """How many requests wait for a backend with room."""
        return len(self.queue) + self.waiting_elsewhere

    def afford_retry(self) -> bool:
        """Take one retry out of the service's budget; whether there was one left."""
        in_flight = sum(backend.inflight for backend in (*self.backends.values(), *self.draining.values()))
        affordable = self._budget.spend(self.requests, in_flight, self._clock())
        if not affordable:
            self.events["retry_denied"] += 1
        return affordable

    def has_other_than(self, tried: Collection[Backend]) -> bool:
        """Whether a request that has failed on these could be given another backend."""
        return any(backend not in tried for backend in self.eligible)

    def standing(self, endpoint: Endpoint) -> State:
        """Where an instance stands here."""
        backend = self.backends.get((endpoint.key, endpoint.authority))
        return backend.state if backend else State.GONE

    def upcoming(self) -> Backend | None:
        """Who would be picked next, None if nobody may be.

        A copy of the balancer is asked, and what it took from the source of random choices is put back:
        asking changes nothing.
        """
        if (first := self._first(self._clock())) is not None:
            return first
        if not self.eligible:
            return None
        shared = {id(backend): backend for backend in self.eligible}
        chances = self._rng.getstate()
        try:
            return deepcopy(self._unlimited, shared).pick()
        finally:
            self._rng.setstate(chances)

    def why_empty(self) -> str:
        """Why no backend can be picked, for the operator."""
        if self.snapshot is None:
            return f"service {self.service!r}: the registry has not answered yet"
        reasons = [f"{e.endpoint.id or e.endpoint.authority}: {e.reason}" for e in self.snapshot.excluded]
        reasons += [
            f"{b.endpoint.id or b.name}: {'weight 0' if b.weight <= 0 else b.state.value}"
            for b in self.backends.values()
        ]
        if not reasons:
            return f"service {self.service!r}: the registry knows no instance"
        if len(reasons) > REASONS:
            reasons[REASONS:] = [f"{len(reasons) - REASONS} more"]
        return f"service {self.service!r}: no instance may be sent requests ({'; '.join(reasons)})"

    def rebuild(self, *, reweighted: bool = False) -> None:
        """Find out anew who may be picked.

        Args:
            reweighted: build the balancer anew even if they are the same as before.
        """
        candidates = [backend for backend in self.backends.values() if backend.weight > 0]
        fit = [backend for backend in candidates if backend.state is State.UP]
        panics = len(fit) < self._health.panic * len(candidates)
        if panics and not self.panics:
            self.events["panic"] += 1
        self.panics = panics
        if panics and not self._health.panic_fails:
            fit = [b for b in candidates if b.state is State.UP or not b.health.refused] or candidates
        eligible = tuple(fit)
        self.untested = [b for b in self.untested if b in eligible]
        self.half_open = [b for b in candidates if b.state is State.HALF_OPEN and b not in eligible]
        if reweighted or eligible != self.eligible:
            self.eligible = eligible
            self._unlimited = self._policy(eligible, self._rng)
            self._balancer = self._limited(self._unlimited, eligible)

    def answered(self, lease: Lease) -> None:
        """The head of an answer is there, of a backend that is watched.

        If it is good, that ends a probation, however long the rest takes: a tunnel may last for hours.
        """
        good = lease.backend.state is State.HALF_OPEN and lease.status < 500
        if good and self._health_tracker.on_attempt(lease, self._clock(), self.backends.values()):
            self.rebuild()

    def settle(self, lease: Lease) -> None:
        """An attempt has ended that failed, or on a backend that is watched."""
        if lease.resend:
            return
        backend = lease.backend
        if backend.health.trial is lease:
            backend.health.trial = None
        if backend.state is State.DRAINING and not backend.inflight:
            self.forget(backend)
        if self._health_tracker.on_attempt(lease, self._clock(), self.backends.values()):
            self.rebuild()
        self._serve_queue()

    def forget(self, backend: Backend) -> None:
        """A backend that drains has finished its last request."""
        del self.draining[backend.identity]
        backend.state = State.GONE

    def tick(self, now: float) -> None:
        """Try those again whose time is over, let new ones have more, and look after the queue.

        Called a few times a second.
        """
        moved, grown = self._health_tracker.tick(self.backends.values(), now), self._slow_start.advance(now)
        if moved or grown:
            self.rebuild(reweighted=grown)
        self._serve_queue()

    def _serve_queue(self) -> None:
        if self.queue:
            self.queue.serve(self._room)

    def _room(self, waiter: Waiter) -> Backend | None:
        """A backend that has room for a ticket, if possible none of those that were tried."""
        return least_loaded_with_capacity(
            (waiter.only,) if waiter.only in self.eligible else self.eligible, waiter.tried
        )

    def _limited(self, policy: Balancer, backends: Sequence[Backend]) -> Balancer:
        """See to it that limits are kept, if there are any."""
        limited = any(backend.limited for backend in backends)
        return Limited(policy, backends, self.queue) if limited else policy

    def on_peer_update(
        self,
        identity: tuple[Key, str],
        state: State,
        *,
        until: float,
        since: float | None = None,
        refused: bool = False,
    ) -> None:
        """Take over what another worker has found out; nobody is told of it again.

        Args:
            identity: of the backend; one that is not in the pool is nobody's concern.
            state: `UP`, `SUSPECT` or `EJECTED`.
            until: when its time is over, in monotonic seconds, which all processes of a machine share.
            since: when the mark was made that this is about; now, unless given. What is older than the mark
                that is known here is no news.
            refused: whether it accepts no connection.
        """
        backend = self.backends.get(identity)
        since = self._clock() if since is None else since
        if backend and self._health_tracker.on_peer_update(
            backend, state, since=since, until=until, refused=refused, size=len(self.backends)
        ):
            self.rebuild()

    def _tell(self, backend: Backend) -> None:
        self.on_state_change(backend)

    def _another(self, tried: Collection[Backend]) -> Backend:
        for _ in range(REDRAWS):
            backend = self._balancer.pick()
            if backend not in tried:
                return backend
        others = [backend for backend in self.eligible if backend not in tried]
        return self._limited(self._policy(others, self._rng), others).pick() if others else backend

    def __repr__(self) -> str:
        active = sum(b.inflight for b in (*self.backends.values(), *self.draining.values()))
        idle = sum(len(b.idle) for b in self.backends.values())
        return (
            f"<Pool {self.service}: {len(self.eligible)} up, {len(self.draining)} draining "
            f"| {active} active, {idle} idle>"
        )
