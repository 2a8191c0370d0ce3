"""What may be tried again, as a table with its reasons.

    it failed                              again?
    before anything was sent (`connect`)   any method: no backend has seen the request
    on a reused connection, before a byte  idempotent methods, on a fresh connection: the backend had closed
    came back                              the idle one; not its fault, and no try is used up (as in nginx)
    later: the connection broke or what    methods that change nothing; PUT, DELETE and requests with an
    came was no HTTP (`reset`), no answer  `Idempotency-Key` if so configured: the backend may have acted on
    came in time (`timeout`), a status     it, and these say that doing it twice is no harm
    that was named (`502`, `503`, `504`)
    once the client has seen anything      never: it cannot be taken back

A request of which more has gone than was kept cannot be sent again, and is not. Another backend is tried, one
that the request has not failed on, as long as there is one; and all of it only while `policy.budget` lasts.
"""

from __future__ import annotations

from dataclasses import dataclass

from pylb.errors import Fault, Phase, ProxyError
from pylb.http1.parser import Request

IDEMPOTENT = frozenset([b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"])
"""Methods that mean the same done twice as done once (RFC 9110 §9.2.2)."""

SAFE = frozenset([b"GET", b"HEAD", b"OPTIONS"])
"""Those that are meant to change nothing (RFC 9110 §9.2.1); TRACE never had a use that is worth a retry."""

STATUSES = frozenset([502, 503, 504])
"""What a gateway or an overloaded backend answers: the ones that may be configured."""

CONDITIONS = ("connect", "reset", "timeout", *map(str, sorted(STATUSES)))

IDEMPOTENCY_KEY = b"\nidempotency-key:"
"""As it stands in a request's field lines, in lower case (draft-ietf-httpapi-idempotency-key-header)."""


def is_stale(error: ProxyError, *, reused: bool, answered: bool) -> bool:
    """Whether an idle connection turned out to be closed already: no verdict on its backend.

    Args:
        error: how the attempt failed.
        reused: whether it was made on an idle connection.
        answered: whether a byte came back.
    """
    return reused and not answered and (error.phase, error.fault) == (Phase.HEADERS, Fault.UPSTREAM)


@dataclass(frozen=True, slots=True)
class RetryRules:
    """The columns of the table that can be configured."""

    retries: int = 2
    """Backends that a request is offered to after the first one (HAProxy: 3, Envoy: 1)."""
    on: frozenset[str] = frozenset(["connect", "reset", "timeout"])
    """Of `CONDITIONS`."""
    methods: frozenset[bytes] = SAFE
    """Those that may be sent again after they have been sent."""
    keyed: bool = False
    """Whether an `Idempotency-Key` makes any method one of them."""

    @property
    def statuses(self) -> frozenset[int]:
        """Statuses for which another backend is asked before such an answer is passed on."""
        return frozenset(status for status in STATUSES if str(status) in self.on)

    def allow(
        self, error: ProxyError, request: Request, *, status: int, stale: bool, tries: int, replayable: bool
    ) -> bool:
        """Whether a request may be tried again, as far as the table goes.

        Args:
            error: how the last attempt failed, before the client saw anything of it.
            request: what was asked.
            status: of the response, if its head came; else 0.
            stale: what `is_stale` says of the attempt.
            tries: backends it has been offered to, stale connections not counted.
            replayable: whether all that was taken of its body is still there.
        """
        if not replayable:
            return False
        if stale:
            return request.method in IDEMPOTENT
        if tries > self.retries or condition(error, status) not in self.on:
            return False
        return error.phase is Phase.CONNECT or self._harmless(request)

    def _harmless(self, request: Request) -> bool:
        if request.method in self.methods:
            return True
        return self.keyed and IDEMPOTENCY_KEY in request.lines.lower()


def condition(error: ProxyError, status: int) -> str:
    """Which of `CONDITIONS` a failed attempt meets; empty if none: not the backend's fault, or too late."""
    if error.phase is Phase.CONNECT and error.fault in {Fault.UPSTREAM, Fault.UPSTREAM_TIMEOUT}:
        return "connect"
    if error.phase is not Phase.HEADERS:
        return ""
    if error.fault is Fault.UPSTREAM_TIMEOUT:
        return "timeout"
    if error.fault is not Fault.UPSTREAM:
        return ""
    return str(status) if status else "reset"
