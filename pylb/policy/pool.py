"""A service's pool: the one place where discovery and requests meet.

`apply` replaces the state and computes the difference, `lease` returns a backend for the duration of one
attempt, `settle` evaluates the attempt's result. The pool computes eligibility when something changes, never
per request; a balancer contains only backends that may be picked.

`picker` builds the balancer of the policy. Separate files implement the rules that apply to every policy:
limits (`balance.limited`), slow start (`slowstart`), the first request of a new or half-open backend
(`first_request`).

A pool does no I/O and reads time only from the clock that it is given.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from random import Random
from typing import Any

from pylb.config.backends import PoolOptions
from pylb.errors import Fault, Phase, ProxyError
from pylb.model import Endpoint, Key, PoolState
from pylb.policy.backend import Backend, State
from pylb.policy.balance.hash import Steps, run_at_once
from pylb.policy.balance.limited import least_loaded_with_capacity
from pylb.policy.budget import RetryBudget
from pylb.policy.change import Change
from pylb.policy.first_request import due_for_first_request
from pylb.policy.lease import Lease
from pylb.policy.outliers import Outliers
from pylb.policy.panic import served_in_panic
from pylb.policy.passive_health import HealthTracker
from pylb.policy.picker import Picker
from pylb.policy.queue import Queue, QueuedRequest
from pylb.policy.rows import why_empty
from pylb.policy.slowstart import SlowStart
from pylb.policy.tiers import LAST, Tiers, in_use, rank


class Pool:
    """The backends of one service.

    Args:
        service: its name in the registry.
        options: balancing, retries and health. The policy that an operator has set takes precedence.
        processes: the number of processes among which limits are divided.
        rng: source of every random choice; the same seed repeats the same picks.
        counters: returns the counters of a new backend.
        outliers: finds backends that fail more often than their peers; None switches this off.
        clock: monotonic seconds; read only after failures and on changes.
        on_state_change: called with a backend after requests or probes have changed its state.
        run: runs the steps in which the table of a policy is made.
        secret: the key of sticky sessions.
    """

    kind: type[Backend] = Backend
    """The class that represents an endpoint."""

    def __init__(
        self,
        service: str,
        options: PoolOptions | None = None,
        *,
        processes: int = 1,
        rng: Random | None = None,
        counters: Callable[[Endpoint], Any] = lambda _: None,
        outliers: Outliers | None = None,
        clock: Callable[[], float] = lambda: 0.0,
        on_state_change: Callable[[Backend], None] = lambda _: None,
        run: Steps = run_at_once,
        secret: bytes = b"",
    ) -> None:
        options = options or PoolOptions()
        self.service = service
        self.applied: PoolState | None = None
        """The last state; None while the registry has not answered yet."""
        self.backends: dict[tuple[Key, str], Backend] = {}
        """Every routable backend of the last state, by key and authority."""
        self.draining: dict[tuple[Key, str], Backend] = {}
        """Backends that are no longer routable and that still have requests."""
        self.eligible: tuple[Backend, ...] = ()
        """Backends that may be picked."""
        self.panics = False
        """Whether so few backends are healthy that the pool ignores their failures."""
        self.events: Counter[str] = Counter()
        """Counts: how often a backend became `suspect`, `ejected`, `half-open`, `failed` or `up` again, how
        often the pool began to `panic`, a retry exceeded the budget (`retry_denied`), a request had to wait
        for a backend with capacity (`queued`), waited too long (`queue_timeout`), found the queue full
        (`queue_full`), lacked the key of its policy (`no_key`), began a session (`session_new`), or could
        not stay with the backend of its session (`session_moved`)."""
        self.queue = Queue(options, processes)
        """Requests that wait for a backend with capacity."""
        self.waiting_elsewhere = 0
        """Requests that wait in other processes, as last reported by them."""
        self.on_state_change = on_state_change
        self.requests = 0
        """Requests that received a backend since the start; retries are not counted."""
        self._options = options
        self._budget = RetryBudget(options.retry_budget)
        self._picker = Picker(
            options, self.queue, rng or Random(), self.events, run=run, service=service, secret=secret
        )
        self._new_counters = counters
        self._clock = clock
        self._health_tracker = HealthTracker(options, outliers, self.events, self._report)
        self._slow_start = SlowStart(options.slow_start)
        self._balancer = self._picker.balancer
        """The balancer of the eligible backends."""
        self._tiers = Tiers()
        self._refreshed: tuple[Backend, ...] = ()
        """Backends to refresh before each pick; none in a pool of a single process (`policy.shared`)."""
        self.untested: list[Backend] = []
        """Backends that joined others and have had no request yet, as far as this worker knows."""
        self.half_open: list[Backend] = []
        """Backends that receive one trial request at a time."""

    def apply(self, state: PoolState) -> Change:
        """Replace the current state; unchanged backends keep counters, health and connections.

        An instance that returns while its last requests still run continues as the same backend.
        """
        instances = {(e.key, e.authority): (e, overlay) for e, overlay in state.instances()}
        backends: dict[tuple[Key, str], Backend] = {}
        added, updated, reprobed, reweighted = [], [], [], False
        for identity, (endpoint, overlay) in instances.items():
            backend = self.backends.get(identity)
            if backend is None:
                backend = self.draining.get(identity) or self.kind(endpoint, self._new_counters(endpoint))
                added.append(backend)
            elif (backend.endpoint, backend.overlay) != (endpoint, overlay):
                weight = endpoint.weight if overlay.weight is None else overlay.weight
                reweighted |= backend.full_weight != weight
                reweighted |= backend.endpoint.max_conn != endpoint.max_conn
                updated.append(backend)
                if backend.overlay.verdict != overlay.verdict or overlay.restored:
                    reprobed.append(backend)
            backends[identity] = backend
        removed = {identity: b for identity, b in self.backends.items() if identity not in backends}

        alone = not self.eligible
        self._slow_start.begin(added, state, self._clock(), alone=alone)
        for backend in (*added, *updated):
            backend.update(*instances[backend.identity])
            backend.limit = self.queue.limit(backend.endpoint)
            backend.needs_settle |= backend.limited
        for backend in added:
            backend.clear()
            backend.state = State.FAILED if backend.overlay.failed else State.UP
        for backend in removed.values():
            backend.state = State.DRAINING if backend.inflight else State.GONE
            backend.needs_settle = True
        self.draining = {
            identity: backend
            for identity, backend in (self.draining | removed).items()
            if backend.state is State.DRAINING
        }
        self.backends = backends
        self.applied = state
        self._tiers.apply(state)
        self._health_tracker.forget(removed.values())
        for backend in reprobed:
            self._health_tracker.on_probe(backend)
        policy = state.policy or self._options.policy
        if policy != self.policy:
            self._picker.set_policy(policy, self._options)
            reweighted = True
        if added or removed or reweighted:
            self._picker.update(backends.values())
        self.untested += [] if alone else added
        self.rebuild(reweighted=reweighted)
        self._serve_queue()
        return Change(tuple(added), tuple(updated), tuple(removed.values()))

    def configure(self, options: PoolOptions, outliers: Outliers | None) -> None:
        """Apply other options. Backends keep their health, and requests in flight are not affected.

        Args:
            options: see `Pool`.
            outliers: see `Pool`.
        """
        self._options = options
        self._budget = RetryBudget(options.retry_budget)
        self._slow_start.seconds = options.slow_start
        self._health_tracker.configure(options, outliers)
        self.queue.configure(options)
        for backend in self.backends.values():
            backend.limit = self.queue.limit(backend.endpoint)
            backend.needs_settle |= backend.limited
        self._picker.set_policy((self.applied and self.applied.policy) or options.policy, options)
        self._picker.update(self.backends.values())
        self.rebuild(reweighted=True)
        self._serve_queue()

    def lease(self, tried: Collection[Backend] = (), now: float = 0.0, key: bytes | None = None) -> Lease:
        """Choose a backend for one attempt, one not in `tried` while there is another.

        A new or half-open backend receives the request first, regardless of the policy
        (`policy.first_request`).

        Args:
            tried: backends that the request has failed on.
            now: monotonic seconds; the lease starts here.
            key: what the route hashes requests on, for keyed policies; None if there is no key.

        Raises:
            ProxyError: no backend is eligible (503).
            Full: every eligible backend is at its limit of requests; see `join_queue`.
        """
        for backend in self._refreshed:
            backend.refresh()
        if not tried and (self.untested or self.half_open) and not self._picker.in_session(key):
            first = self._first_request(now)
            if first is not None:
                return first
        if not self.eligible:
            raise ProxyError(Phase.QUEUE, Fault.DOWN, self.why_empty())
        if tried:
            return Lease(self, self._picker.another(tried, key), now)
        self.requests += 1
        return Lease(self, self._balancer.pick(key), now)

    def _first_request(self, now: float) -> Lease | None:
        """Lease the backend that is due for its first or trial request, if any.

        A new backend that has received a request in another way, for example a retry, is no longer untested.
        """
        first = due_for_first_request(self.untested, self.half_open, now)
        self.untested = [b for b in self.untested if b is not first and not b.inflight]
        if first is None:
            return None
        self.requests += 1
        lease = Lease(self, first, now)
        if first.state is State.HALF_OPEN:
            first.health.trial = lease
        return lease

    def join_queue(self, queued: QueuedRequest) -> None:
        """Wait until a backend has capacity.

        Raises:
            ProxyError: the queue is full (503).
        """
        try:
            self.queue.join(queued)
        except ProxyError:
            self.events["queue_full"] += 1
            raise
        self.events["queued"] += 1

    @property
    def policy(self) -> str:
        """The balancing policy in force."""
        return self._picker.policy

    @property
    def waiting(self) -> int:
        """How many requests wait for a backend with capacity, in all processes."""
        return len(self.queue) + self.waiting_elsewhere

    def afford_retry(self) -> bool:
        """Take one retry from the service's budget. Returns False if the budget is exhausted."""
        in_flight = sum(backend.inflight for backend in (*self.backends.values(), *self.draining.values()))
        affordable = self._budget.spend(self.requests, in_flight, self._clock())
        if not affordable:
            self.events["retry_denied"] += 1
        return affordable

    def has_other_than(self, tried: Collection[Backend]) -> bool:
        """Whether another backend is eligible for a request that has failed on these."""
        return any(backend not in tried for backend in self.eligible)

    def state_of(self, endpoint: Endpoint) -> State:
        """Return the state of an instance in this pool; `GONE` if the pool does not contain it."""
        backend = self.backends.get((endpoint.key, endpoint.authority))
        return backend.state if backend else State.GONE

    def upcoming(self, key: bytes | None = None) -> Backend | None:
        """Return the backend that the next request would receive; None if no backend is eligible.

        The call changes nothing.

        Args:
            key: of the request, for keyed policies.
        """
        if (first := due_for_first_request(self.untested, self.half_open, self._clock())) is not None:
            return first
        return self._picker.upcoming(key) if self.eligible else None

    def why_empty(self) -> str:
        """Return the reason why no backend is eligible, as text for the operator."""
        return why_empty(self.service, self.applied, self.backends.values())

    def rebuild(self, *, reweighted: bool = False) -> None:
        """Compute which backends are eligible, and build a new balancer if the set has changed.

        Args:
            reweighted: build a new balancer even if the set has not changed.
        """
        candidates = [backend for backend in self.backends.values() if backend.weight > 0]
        healthy = [backend for backend in candidates if backend.state is State.UP]
        tiers = self._tiers
        tiers.update(candidates, self._clock())
        panics = not tiers.enough and 100 * len(healthy) < self._options.panic_threshold * len(candidates)
        if panics and not self.panics:
            self.events["panic"] += 1
        self.panics = panics
        if panics and self._options.panic == "serve":
            eligible, shares = tuple(served_in_panic(candidates)), {}
        else:
            shares = tiers.shares
            eligible = tuple(in_use(healthy, shares) if shares else healthy)
        self.untested = [b for b in self.untested if b in eligible]
        last = max(map(rank, eligible), default=LAST)
        self.half_open = [
            b for b in candidates if b.state is State.HALF_OPEN and b not in eligible and rank(b) <= last
        ]
        if reweighted or eligible != self.eligible or shares != self._picker.shares:
            self.eligible = eligible
            self._picker.build(eligible, shares)
            self._balancer = self._picker.balancer

    def answered(self, lease: Lease) -> None:
        """Evaluate the head of a response, for a backend with `needs_settle`.

        A good head ends the half-open state; the body may take long, and a tunnel may last for hours.
        """
        good = lease.backend.state is State.HALF_OPEN and lease.status < 500
        if good and self._health_tracker.on_attempt(lease, self._clock(), self.backends.values()):
            self.rebuild()

    def settle(self, lease: Lease) -> None:
        """Evaluate an attempt that has failed, or that has ended on a backend with `needs_settle`."""
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
        """Remove a draining backend that has finished its last request."""
        del self.draining[backend.identity]
        backend.state = State.GONE

    def tick(self, now: float) -> None:
        """Advance everything that depends on time: expired ejections, slow start, tiers, the queue.

        Called a few times a second.

        Args:
            now: monotonic seconds.
        """
        moved, grown = self._health_tracker.tick(self.backends.values(), now), self._slow_start.advance(now)
        if moved or grown or self._tiers.recovering:
            self.rebuild(reweighted=grown)
        self._serve_queue()

    def _serve_queue(self) -> None:
        if self.queue:
            self.queue.serve(self._with_capacity)

    def _with_capacity(self, queued: QueuedRequest) -> Backend | None:
        """Return a backend with capacity for a queued request, if possible one that it has not tried."""
        return least_loaded_with_capacity(
            (queued.only,) if queued.only in self.eligible else self.eligible, queued.tried
        )

    def on_peer_update(
        self,
        identity: tuple[Key, str],
        state: State,
        *,
        until: float,
        since: float | None = None,
        unreachable: bool = False,
    ) -> None:
        """Apply a change of state that another worker has detected, without reporting it again.

        Args:
            identity: of the backend; an unknown one is ignored.
            state: `UP`, `SUSPECT` or `EJECTED`.
            until: end of the exclusion, in monotonic seconds, which all processes of a machine share.
            since: when the other worker changed the state; now by default. A change older than the last one
                known here is ignored.
            unreachable: whether no connection to the backend can be opened.
        """
        backend = self.backends.get(identity)
        since = self._clock() if since is None else since
        if backend and self._health_tracker.on_peer_update(
            backend, state, since=since, until=until, unreachable=unreachable, size=len(self.backends)
        ):
            self.rebuild()

    def _report(self, backend: Backend) -> None:
        """Call `on_state_change`, which may be replaced after the pool was made."""
        self.on_state_change(backend)

    def __repr__(self) -> str:
        active = sum(b.inflight for b in (*self.backends.values(), *self.draining.values()))
        idle = sum(len(b.idle) for b in self.backends.values())
        return (
            f"<Pool {self.service}: {len(self.eligible)} up, {len(self.draining)} draining "
            f"| {active} active, {idle} idle>"
        )
