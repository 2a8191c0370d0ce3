"""A lease: one attempt's claim on a backend, and the result of the attempt."""

from __future__ import annotations

from collections.abc import Collection
from types import TracebackType
from typing import Protocol

from pylb.errors import ProxyError
from pylb.policy.backend import Backend


class LeasingPool(Protocol):
    """What a lease, and a request that holds it, call on the pool that the backend belongs to."""

    def has_other_than(self, backends: Collection[Backend]) -> bool:
        """Return whether another backend is eligible."""

    def answered(self, lease: Lease) -> None:
        """Record the head of a final response."""

    def settle(self, lease: Lease) -> None:
        """Record the end of the attempt."""


class Lease:
    """One attempt at one backend; it counts as in flight from the start to the end of the `with` block.

    Pick and finish are one object (as grpc-go's `PickResult.Done`, nginx's `peer.get` and `peer.free`): the
    exit settles everything, so no count can leak. Access log, metrics and traces report the facts of the
    lease. Times are monotonic seconds; 0 means that the attempt did not get so far.
    """

    reused = False
    """Whether the attempt used an idle connection."""
    answered = False
    """Whether the backend sent at least one byte."""
    client_gave_up = False
    """Whether the client closed its connection while pylb waited for the first byte of the response."""
    uploading = False
    """Whether the client is still sending the request's body."""
    continued = False
    """Whether the backend has requested the body (100 Continue)."""
    client_delayed = False
    """Whether the client may be the cause of a broken connection: it had not sent the whole request, or it
    read the response more slowly than it arrived."""
    connected = 0.0
    head = 0.0
    """When the head of the response was complete."""
    interim = 0
    """Number of interim responses (1xx)."""
    status = 0
    condition = ""
    """The condition for a retry that the response meets; empty for none."""
    grpc_status: int | None = None
    """The code with which a backend ended a call of gRPC, or that its status implies; None for other
    requests."""
    resend = False
    """Whether the request was lost on a stale connection, and `again` follows immediately."""
    granted = False
    """Whether the request goes to another backend although this one has responded."""

    def __init__(self, pool: LeasingPool, backend: Backend, started: float) -> None:
        self.pool = pool
        self.backend = backend
        self.started = started
        self.error: ProxyError | None = None
        """The failure of the attempt."""

    def again(self, now: float) -> Lease:
        """Return a lease for a second attempt at the same backend; it also inherits a running trial."""
        lease = Lease(self.pool, self.backend, now)
        if self.backend.health.trial is self:
            self.backend.health.trial = lease
        return lease

    def __enter__(self) -> Lease:
        self.backend.count(+1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        backend = self.backend
        backend.count(-1)
        if self.status >= 500 or backend.needs_settle or self.error is not None:
            self.pool.settle(self)
