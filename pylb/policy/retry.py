"""What may be tried again, as a table with its reasons.

    it failed                            again?
    before it was ever sent (`connect`)  any method, on another backend: none has seen the request
    on a kept connection, before a byte  once per request, idempotent methods, on a fresh connection to the
    came back                            same backend: it had closed the kept one, which is no failure and
                                         uses up no retry (as in nginx); after that on fresh connections only
    after it was sent: the connection    methods that change nothing, on another backend; PUT, DELETE and
    broke or no HTTP came (`reset`), no  requests with an `Idempotency-Key` if so configured: the backend may
    answer came in time (`timeout`), a   have acted on the request, and these declare that doing it twice
    status that was named (`502`, ...)   does no harm
    once the client has seen anything    never: it cannot be taken back

A request is offered to a backend once (nginx does the same): a backend that broke the connection may break it
for this request, and one that gave no answer in time still works on it. So a request is delivered at most
1 + `retries` times, and once more if a kept connection turned out to be closed. A request of which more has
gone than was kept cannot be sent again. All of it holds only while `policy.budget` lasts.
"""

from __future__ import annotations

from pylb.config.backends import CONDITIONS, Retries
from pylb.errors import Fault, Phase, ProxyError
from pylb.http1.parser import Request

IDEMPOTENT = frozenset([b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"])
"""Methods that mean the same done twice as done once (RFC 9110 §9.2.2)."""

SAFE = frozenset([b"GET", b"HEAD", b"OPTIONS"])
"""Those that are meant to change nothing (RFC 9110 §9.2.1); TRACE never had a use that is worth a retry."""

STATUSES = frozenset(int(condition) for condition in CONDITIONS if condition.isdecimal())
"""What a gateway or an overloaded backend answers: those among `CONDITIONS`."""

IDEMPOTENCY_KEY = b"\nidempotency-key:"
"""As it stands in a request's field lines, in lower case (draft-ietf-httpapi-idempotency-key-header)."""


def is_stale(error: ProxyError, *, reused: bool, answered: bool) -> bool:
    """Whether a kept connection turned out to be closed already: no verdict on its backend.

    Args:
        error: how the attempt failed.
        reused: whether it was made on a kept connection.
        answered: whether a byte came back.
    """
    return reused and not answered and (error.phase, error.fault) == (Phase.HEADERS, Fault.UPSTREAM)


class RetryRules:
    """The table for one set of options.

    Args:
        options: what may be retried, and how often (`--retries`; HAProxy: 3, Envoy: 1).
    """

    def __init__(self, options: Retries) -> None:
        self._options = options
        self._methods = SAFE | {method.encode() for method in options.retry_methods}
        """Methods that may be sent again after they have been sent."""
        self.statuses = frozenset(status for status in STATUSES if str(status) in options.retry_on)
        """Statuses for which another backend is asked before such a response is forwarded."""

    def allow(
        self, error: ProxyError, request: Request, *, status: int, sent: bool, tries: int, replayable: bool
    ) -> bool:
        """Whether a request may be offered to another backend, as far as the table goes.

        Args:
            error: how the last attempt failed, before the client saw anything of it.
            request: what was asked.
            status: of the response, if its head came; else 0.
            sent: whether this attempt or an earlier one sent any of it.
            tries: backends it has been offered to.
            replayable: whether all that was taken of its body is still there.
        """
        options = self._options
        if not replayable or tries > options.retries or condition(error, status) not in options.retry_on:
            return False
        return not sent or self._harmless(request)

    def resends(self, request: Request, *, replayable: bool) -> bool:
        """Whether a request that was lost on a stale connection may be sent once more to the same backend.

        Args:
            request: what was asked.
            replayable: whether all that was taken of its body is still there.
        """
        return replayable and (request.method in IDEMPOTENT or self._harmless(request))

    def _harmless(self, request: Request) -> bool:
        if request.method in self._methods:
            return True
        return self._options.retry_idempotency_key and IDEMPOTENCY_KEY in request.lines.lower()


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
