"""A service's pool: the one place where discovery and requests meet.

`apply` swaps in a snapshot as a diff, `lease` hands out a backend for the time of one attempt. Eligibility is
computed when something changes, never per request; balancers only ever see backends that may be picked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from random import Random
from types import TracebackType
from typing import Any

from pylb.errors import Fault, Phase, ProxyError
from pylb.model import Endpoint, Snapshot
from pylb.policy.backend import Backend, State
from pylb.policy.balance import BALANCERS, Balancer


@dataclass(frozen=True, slots=True)
class Change:
    """What one snapshot did to a pool. The caller closes the idle connections of `removed`."""

    added: tuple[Backend, ...] = ()
    updated: tuple[Backend, ...] = ()
    removed: tuple[Backend, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.updated or self.removed)

    def __str__(self) -> str:
        marked = [("+", self.added), ("~", self.updated), ("-", self.removed)]
        return " ".join(f"{mark}{b.endpoint.id or b.name}" for mark, backends in marked for b in backends)


class Lease:
    """One attempt's hold on a backend: counted in flight from `with` to its end, whatever happens in between."""

    __slots__ = ("backend", "pool")

    def __init__(self, pool: Pool, backend: Backend) -> None:
        self.pool = pool
        self.backend = backend

    def __enter__(self) -> Lease:
        self.backend.inflight += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        backend = self.backend
        backend.inflight -= 1
        if backend.state is State.DRAINING and not backend.inflight:
            self.pool.forget(backend)


class Pool:
    """The backends of one service.

    Args:
        service: its name in the registry.
        policy: a key of `BALANCERS`.
        rng: source of every random choice; seed it and the picks repeat.
        cells: makes the counters of a new backend.
    """

    def __init__(
        self,
        service: str,
        *,
        policy: str = "least-connections",
        rng: Random | None = None,
        cells: Callable[[Endpoint], Any] = lambda _: None,
    ) -> None:
        self.service = service
        self.policy = policy
        self.snapshot: Snapshot | None = None
        self.backends: dict[tuple[object, str], Backend] = {}
        """Every backend that may be picked, by (key, authority)."""
        self.draining: set[Backend] = set()
        self.eligible: tuple[Backend, ...] = ()
        self._rng = rng or Random()
        self._cells = cells
        self._balancer: Balancer = BALANCERS[policy]((), self._rng)

    def apply(self, snapshot: Snapshot) -> Change:
        """Replace what is known by `snapshot`; unchanged backends keep counters, health and connections."""
        backends: dict[tuple[object, str], Backend] = {}
        added, updated = [], []
        for endpoint in snapshot.endpoints:
            identity = (endpoint.key, endpoint.authority)
            backend = self.backends.pop(identity, None)
            if backend is None:
                backend = Backend(endpoint, self._cells(endpoint))
                added.append(backend)
            elif backend.endpoint != endpoint:
                backend.update(endpoint)
                updated.append(backend)
            backends[identity] = backend
        removed = tuple(self.backends.values())
        for backend in removed:
            backend.state = State.DRAINING
            if backend.inflight:
                self.draining.add(backend)
            else:
                backend.state = State.GONE
        self.backends = backends
        self.snapshot = snapshot
        if added or updated or removed:
            self._rebuild()
        return Change(tuple(added), tuple(updated), removed)

    def lease(self, tried: Collection[Backend] = ()) -> Lease:
        """Choose a backend, one not in `tried` while there is another.

        Raises:
            ProxyError: there is no backend that may be picked (503).
        """
        eligible = self.eligible
        if not eligible:
            raise ProxyError(Phase.QUEUE, Fault.DOWN, self.why_empty())
        backend = self._balancer.pick()
        if tried and backend in tried:
            others = [b for b in eligible if b not in tried]
            if others:
                backend = BALANCERS[self.policy](others, self._rng).pick()
        return Lease(self, backend)

    def why_empty(self) -> str:
        """Why no backend can be picked, for the operator."""
        if self.snapshot is None:
            return f"service {self.service!r}: the registry has not answered yet"
        return f"service {self.service!r}: no instance that may be sent requests"

    def forget(self, backend: Backend) -> None:
        """A draining backend has finished its last request."""
        self.draining.discard(backend)
        backend.state = State.GONE

    def _rebuild(self) -> None:
        self.eligible = tuple(b for b in self.backends.values() if b.weight > 0)
        self._balancer = BALANCERS[self.policy](self.eligible, self._rng)

    def __repr__(self) -> str:
        active = sum(b.inflight for b in self.backends.values())
        idle = sum(len(b.idle) for b in self.backends.values())
        return (
            f"<Pool {self.service}: {len(self.eligible)} up, {len(self.draining)} draining "
            f"| {active} active, {idle} idle>"
        )
