"""A service's pool: the one place where discovery and requests meet.

`apply` swaps in a snapshot as a diff, `lease` hands out a backend for the time of one attempt. Eligibility is
computed when something changes, never per request; balancers only ever see backends that may be picked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from random import Random
from typing import Any

from pylb.errors import Fault, Phase, ProxyError
from pylb.model import Endpoint, Key, Snapshot
from pylb.policy.backend import Backend, State
from pylb.policy.balance import BALANCERS, Balancer
from pylb.policy.lease import Lease

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
        policy: a key of `BALANCERS`.
        rng: source of every random choice; seed it and the picks repeat.
        cells: makes the counters of a new backend.
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
    ) -> None:
        self.service = service
        self.snapshot: Snapshot | None = None
        self.backends: dict[tuple[Key, str], Backend] = {}
        """Every backend that the last snapshot names, by key and authority."""
        self.draining: dict[tuple[Key, str], Backend] = {}
        """Those that it no longer names, and that still have requests."""
        self.eligible: tuple[Backend, ...] = ()
        """Those that may be picked."""
        self._policy = BALANCERS[policy]
        self._rng = rng or Random()
        self._cells = cells
        self._balancer: Balancer = self._policy((), self._rng)

    def apply(self, snapshot: Snapshot) -> Change:
        """Replace what is known by `snapshot`; unchanged backends keep counters, health and connections.

        An instance that returns while its last requests still run goes on as the same backend.
        """
        endpoints = {(endpoint.key, endpoint.authority): endpoint for endpoint in snapshot.endpoints}
        backends: dict[tuple[Key, str], Backend] = {}
        added, updated, reweighted = [], [], False
        for identity, endpoint in endpoints.items():
            backend = self.backends.get(identity)
            if backend is None:
                backend = self.draining.get(identity) or self.kind(endpoint, self._cells(endpoint))
                added.append(backend)
            elif backend.endpoint != endpoint:
                reweighted |= backend.weight != endpoint.weight
                updated.append(backend)
            backends[identity] = backend
        removed = {identity: b for identity, b in self.backends.items() if identity not in backends}

        for backend in (*added, *updated):
            backend.update(endpoints[backend.key, backend.name])
            backend.state = State.UP
        for backend in removed.values():
            backend.state = State.DRAINING if backend.inflight else State.GONE
        self.draining = {
            identity: backend
            for identity, backend in (self.draining | removed).items()
            if backend.state is State.DRAINING
        }
        self.backends = backends
        self.snapshot = snapshot
        eligible = tuple(backend for backend in backends.values() if backend.weight > 0)
        if reweighted or eligible != self.eligible:
            self.eligible = eligible
            self._balancer = self._policy(eligible, self._rng)
        return Change(tuple(added), tuple(updated), tuple(removed.values()))

    def lease(self, tried: Collection[Backend] = (), now: float = 0.0) -> Lease:
        """Choose a backend, one not in `tried` while there is another.

        Args:
            tried: backends that the request has failed on.
            now: monotonic seconds; the lease starts here.

        Raises:
            ProxyError: there is no backend that may be picked (503).
        """
        if not self.eligible:
            raise ProxyError(Phase.QUEUE, Fault.DOWN, self.why_empty())
        return Lease(self, self._another(tried) if tried else self._balancer.pick(), now)

    def why_empty(self) -> str:
        """Why no backend can be picked, for the operator."""
        if self.snapshot is None:
            return f"service {self.service!r}: the registry has not answered yet"
        reasons = [f"{e.endpoint.id or e.endpoint.authority}: {e.reason}" for e in self.snapshot.excluded]
        reasons += [f"{b.endpoint.id or b.name}: weight 0" for b in self.backends.values()]
        if not reasons:
            return f"service {self.service!r}: the registry knows no instance"
        if len(reasons) > REASONS:
            reasons[REASONS:] = [f"{len(reasons) - REASONS} more"]
        return f"service {self.service!r}: no instance may be sent requests ({'; '.join(reasons)})"

    def forget(self, backend: Backend) -> None:
        """A draining backend has finished its last request."""
        del self.draining[backend.key, backend.name]
        backend.state = State.GONE

    def _another(self, tried: Collection[Backend]) -> Backend:
        for _ in range(REDRAWS):
            backend = self._balancer.pick()
            if backend not in tried:
                return backend
        others = [backend for backend in self.eligible if backend not in tried]
        return self._policy(others, self._rng).pick() if others else backend

    def __repr__(self) -> str:
        active = sum(b.inflight for b in (*self.backends.values(), *self.draining.values()))
        idle = sum(len(b.idle) for b in self.backends.values())
        return (
            f"<Pool {self.service}: {len(self.eligible)} up, {len(self.draining)} draining "
            f"| {active} active, {idle} idle>"
        )
