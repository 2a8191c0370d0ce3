"""What control shows of the workers: rows of all pools, with the figures of all workers together.

A row combines the last state of a pool with the gauges of its backends in shared memory, which the workers
write. Control holds no pool: it balances nothing and judges no request.

Rule: a change of one pool does no work for the others; with 1,000 services that would take longer than the
change itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from pylb.config import Options
from pylb.ipc.update import Update
from pylb.model import Endpoint, Key, Overlay, PoolState
from pylb.observe.counters import Counters
from pylb.observe.gauges import (
    FAILURES,
    HTTP2_CONNECTIONS,
    HTTP2_REQUESTS,
    IDLE,
    IN_FLIGHT,
    PANICS,
    QUEUED,
    STATE,
    UNTIL,
    WITHHELD,
)
from pylb.observe.worker_counters import TRAFFIC_STATES
from pylb.policy.backend import Backend, State
from pylb.policy.balance import BALANCERS
from pylb.policy.panic import served_in_panic
from pylb.policy.rows import BackendRow, ServiceRow
from pylb.policy.tiers import availabilities, excluded_weights, in_use, traffic_shares

Identity = tuple[Key, str]


@dataclass(frozen=True, slots=True)
class Member:
    """An instance of a pool, and the slot of its counters."""

    endpoint: Endpoint
    overlay: Overlay
    slot: int


class Aggregate:
    """The states that the workers apply, and the rows that show them; see `admin.views.Rows`.

    Args:
        options: returns the options of a service.
        counters: assigns a slot of the counters to each backend.
    """

    def __init__(self, options: Callable[[str], Options], counters: Counters) -> None:
        self._options = options
        self._counters = counters
        self._states: dict[str, PoolState] = {}
        self._members: dict[str, dict[Identity, Member]] = {}
        """Every routable instance of the last state, by key and authority."""
        self._draining: dict[str, dict[Identity, Member]] = {}
        """Instances that are no longer routable, and that had requests when last read."""

    @property
    def services(self) -> tuple[str, ...]:
        """The names of the services, in the order in which they were added."""
        return tuple(self._members)

    def __contains__(self, service: str) -> bool:
        """Whether a service has been added."""
        return service in self._members

    def add(self, service: str) -> None:
        """Add a service, without a state."""
        self._members.setdefault(service, {})
        self._draining.setdefault(service, {})

    def remove(self, service: str) -> None:
        """Remove a service, and release the slots of its backends."""
        for member in self._members.pop(service, {}).values():
            self._counters.release(member.endpoint)
        self._draining.pop(service, None)
        self._states.pop(service, None)
        self._counters.forget(service)

    def apply(self, state: PoolState) -> None:
        """Store the state of a pool; assign and release the slots of its backends."""
        known, counters = self._members[state.service], self._counters
        instances = {(e.key, e.authority): (e, overlay) for e, overlay in state.instances()}
        removed = {identity: member for identity, member in known.items() if identity not in instances}
        for member in removed.values():
            counters.release(member.endpoint)
        for identity, (endpoint, _) in instances.items():
            if identity not in known:
                counters.allocate(endpoint)
        slots = counters.slots(state.service)
        self._members[state.service] = {
            identity: Member(endpoint, overlay, slots[endpoint.authority])
            for identity, (endpoint, overlay) in instances.items()
        }
        left = self._draining[state.service] | removed
        self._draining[state.service] = self._unfinished(
            {identity: member for identity, member in left.items() if identity not in instances}
        )
        self._states[state.service] = state

    def update(self, service: str) -> Update:
        """Return the message with the state of a service for workers."""
        counters = self._counters
        return Update(service, counters.slot(service), counters.slots(service), self._states.get(service))

    def state_of(self, endpoint: Endpoint) -> State:
        """Return the worst state of an instance in any worker, according to requests."""
        member = self._members.get(endpoint.service, {}).get((endpoint.key, endpoint.authority))
        return State.GONE if member is None or member.overlay.failed else self._traffic_state(member)

    def applied(self, service: str) -> PoolState | None:
        """Return the last state of a pool; None while the registry has not answered yet."""
        return self._states.get(service)

    def row(self, service: str) -> ServiceRow:
        """Return the row of a service, with the present figures of all workers."""
        shared, slot = self._counters.shared, self._counters.slot(service)
        state, options = self._states.get(service), self._options(service)
        draining = self._draining[service] = self._unfinished(self._draining[service])
        backends = [
            self._row(each, State.FAILED if each.overlay.failed else self._traffic_state(each))
            for each in self._members[service].values()
        ]
        panics = any(shared.gauge(slot, PANICS))
        candidates = [backend for backend in backends if backend.weight > 0]
        if panics and options.panic == "serve":
            eligible = served_in_panic(candidates)
        else:
            eligible = [backend for backend in candidates if backend.state is State.UP]
            excluded = excluded_weights(state) if state else {}
            eligible = in_use(eligible, traffic_shares(availabilities(candidates, excluded)))
        return ServiceRow(
            service=service,
            policy=(state and state.policy) or options.policy,
            applied=state,
            backends=tuple(backends),
            draining=tuple(self._row(each, State.DRAINING) for each in draining.values()),
            eligible=tuple(eligible),
            panics=panics,
            waiting=sum(shared.gauge(slot, QUEUED)),
        )

    def upcoming(self, service: str) -> str | None:
        """Return the address of the backend that a request would receive; None if none is eligible.

        A half-open backend without a request is due for its trial. Otherwise a new balancer of the policy
        picks by the present weights and loads: each worker has its own position in a rotation and its own
        random numbers, which control does not know.
        """
        row = self.row(service)
        eligible = set(row.eligible)
        for each in row.backends:
            half_open = each.state is State.HALF_OPEN and each not in eligible
            if half_open and each.weight > 0 and not each.in_flight:
                return each.name
        if not eligible:
            return None
        return BALANCERS[row.policy]([_backend(each) for each in row.eligible], Random()).pick().name

    def _row(self, member: Member, state: State) -> BackendRow:
        """Return the row of a backend: its state in the pool, and the figures of all workers."""
        shared, slot = self._counters.shared, member.slot
        endpoint, overlay = member.endpoint, member.overlay
        withheld = max(shared.gauge(slot, WITHHELD))
        ramp_fraction = (1000 - withheld) / 1000 if withheld else 1  # A full weight is shown as an integer.
        weight = (endpoint.weight if overlay.weight is None else overlay.weight) * ramp_fraction
        in_flight = sum(shared.gauge(slot, IN_FLIGHT))
        return BackendRow(
            endpoint=endpoint,
            overlay=overlay,
            state=state,
            weight=weight,
            ramp_fraction=ramp_fraction,
            in_flight=in_flight,
            load=in_flight / (weight or 1),
            idle=sum(shared.gauge(slot, IDLE)),
            http2_connections=sum(shared.gauge(slot, HTTP2_CONNECTIONS)),
            http2_streams=sum(shared.gauge(slot, HTTP2_REQUESTS)),
            failures=max(shared.gauge(slot, FAILURES)),
            until=max(shared.gauge(slot, UNTIL)) / 1000,
            unreachable=overlay.verdict is not None and overlay.verdict.unreachable,
        )

    def _traffic_state(self, member: Member) -> State:
        return TRAFFIC_STATES[max(self._counters.shared.gauge(member.slot, STATE))]

    def _unfinished(self, members: dict[Identity, Member]) -> dict[Identity, Member]:
        """Return those instances that still have requests in any worker."""
        gauge = self._counters.shared.gauge
        return {identity: each for identity, each in members.items() if any(gauge(each.slot, IN_FLIGHT))}


def _backend(row: BackendRow) -> Backend:
    """Return a backend with the weight and the load of a row, for a balancer."""
    backend = Backend(row.endpoint)
    backend.update(row.endpoint, row.overlay)
    backend.ramp(row.ramp_fraction)
    backend.count(row.in_flight)
    return backend
