"""Plain rows of a pool and its backends, for everything that shows them: the API, metrics, `explain`.

A row is a copy of the values at one moment. `policy.pool_rows` builds the rows of a pool of this process, and
`control.aggregate` those of all workers together. A row may not reach a pool, and nothing here changes state.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pylb.model import Endpoint, Overlay, PoolState
from pylb.policy.backend import Backend, State

REASONS = 5
"""Number of instances whose exclusion is explained when none is eligible; the text must fit
into one log line."""


@dataclass(frozen=True, slots=True, eq=False)
class BackendRow:
    """One backend at one moment; `Backend` documents the values that have the same name there."""

    endpoint: Endpoint
    overlay: Overlay
    state: State
    weight: float
    ramp_fraction: float
    in_flight: int
    """Requests that hold a lease on it."""
    load: float
    idle: int
    """Open connections with HTTP/1.1 and without a request."""
    http2_connections: int
    """Open connections with HTTP/2."""
    http2_streams: int
    """Requests on these connections."""
    failures: int
    """Consecutive failures."""
    until: float
    """End of the exclusion, in monotonic seconds; in the past if there is none."""
    unreachable: bool
    """Whether the last connection to it could not be opened."""

    @property
    def name(self) -> str:
        """The authority, which is unique in the pool."""
        return self.endpoint.authority


@dataclass(frozen=True, slots=True, eq=False)
class ServiceRow:
    """The pool of one service at one moment; `Pool` documents the values that have the same name there."""

    service: str
    policy: str
    applied: PoolState | None
    backends: tuple[BackendRow, ...] = ()
    draining: tuple[BackendRow, ...] = ()
    eligible: tuple[BackendRow, ...] = ()
    """Those of `backends` that may be picked."""
    panics: bool = False
    waiting: int = 0

    def why_empty(self) -> str:
        """Return the reason why no backend is eligible, as text for the operator."""
        return why_empty(self.service, self.applied, self.backends)


def why_empty(service: str, applied: PoolState | None, backends: Iterable[Backend | BackendRow]) -> str:
    """Return the reason why no backend of a pool is eligible, as text for the operator.

    Args:
        service: the name of the service.
        applied: the last state; None while the registry has not answered yet.
        backends: the routable backends of that state.
    """
    if applied is None:
        return f"service {service!r}: the registry has not answered yet"
    reasons = [f"{e.endpoint.id or e.endpoint.authority}: {e.reason}" for e in applied.excluded]
    reasons += [
        f"{b.endpoint.id or b.name}: {'weight 0' if b.weight <= 0 else b.state.value}" for b in backends
    ]
    if not reasons:
        return f"service {service!r}: the registry lists no instance"
    if len(reasons) > REASONS:
        reasons[REASONS:] = [f"{len(reasons) - REASONS} more"]
    return f"service {service!r}: no instance is eligible ({'; '.join(reasons)})"
