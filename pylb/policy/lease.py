"""A lease: one attempt's hold on a backend, and what came of it."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol

from pylb.errors import ProxyError
from pylb.policy.backend import Backend


class LeasingPool(Protocol):
    """What a lease, and a request that holds it, call on the pool that the backend belongs to."""

    def answered(self, lease: Lease) -> None:
        """Record the head of a final response."""

    def settle(self, lease: Lease) -> None:
        """Record the end of the attempt."""


class Lease:
    """One try at one backend: in flight there from `with` to its end, whatever happens in between.

    Pick and finish are one object (as grpc-go's `PickResult.Done`, nginx's `peer.get` and `peer.free`): what
    must be settled is settled in one exit and cannot leak. The facts in it are what access log, metrics and
    traces say of the try. Times are monotonic seconds; 0 is "not reached".
    """

    reused = False
    """Whether an idle connection was taken."""
    answered = False
    """Whether a byte came back."""
    client_gave_up = False
    """Whether the client left while it was the backend's turn, and the backend had answered nothing."""
    uploading = False
    """Whether the client still sends the request's body."""
    continued = False
    """Whether the backend has asked for the body (100 Continue)."""
    client_delayed = False
    """Whether a connection that broke may have ended because of the client: it had not sent all of the
    request, or did not read the answer as fast as it came."""
    connected = 0.0
    head = 0.0
    """When the response's head was there."""
    interim = 0
    """Answers that came before the final one (1xx)."""
    status = 0
    error: ProxyError | None = None
    resend = False
    """Whether the request was lost on a stale connection, and `again` follows at once."""

    granted = False
    """Whether another backend is to be asked instead, although this one has answered."""

    def __init__(self, pool: LeasingPool, backend: Backend, started: float) -> None:
        self.pool = pool
        self.backend = backend
        self.started = started

    def again(self, now: float) -> Lease:
        """A second try at the same backend; its place there, and its turn, pass from one to the other."""
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
