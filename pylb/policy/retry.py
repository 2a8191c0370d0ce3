"""The rules for retries, as a table with reasons.

    failure                              retry
    before the request was ever sent     any method, on another backend: no backend has received the request
    (`connect`)
    not processed by the backend         once per request, any method, on another backend or, if there is
    (HTTP/2: REFUSED_STREAM, or above    none, the same: this is no failure and uses no retry; afterwards as
    the last stream of GOAWAY)           before the request was sent
    on a reused connection, before a     once per request, idempotent methods, on a fresh connection to the
    byte of the response (stale)         same backend, which had closed the connection: this is no failure and
                                         uses no retry (as in nginx); afterwards only on fresh connections
    after the request was sent: broken   safe methods, on another backend; PUT, DELETE and requests with an
    connection or no HTTP (`reset`), no  `Idempotency-Key` only if configured: the backend may have processed
    response in time (`timeout`), a      the request, and these declare that processing it twice is harmless
    configured status (`502`, ...)
    a call of gRPC that ended with a     any method, on another backend: a configured code declares that
    configured code and no message       such calls are harmless
    (`grpc-unavailable`, ...)
    after the client has received bytes  never: they cannot be revoked

Each backend receives a request once (as in nginx): a backend that broke the connection may do so because of
this request, and one without a response in time is still processing it. A request is therefore delivered at
most 1 + `retries` times, and once more after a stale connection. A request cannot be retried if more of its
body was sent than is buffered. Retries also need `policy.budget`.
"""

from __future__ import annotations

from typing import Protocol

from pylb.config.backends import STATUSES, Retries
from pylb.errors import Fault, Phase, ProxyError, StreamResetError, UnprocessedError
from pylb.grpc_codes import CONDITIONS
from pylb.http1.parser import Request

IDEMPOTENT = frozenset([b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"])
"""Methods for which several identical requests have the effect of one (RFC 9110 §9.2.2)."""

GRPC = frozenset(CONDITIONS.values())
"""Conditions that a call of gRPC meets."""

SAFE = frozenset([b"GET", b"HEAD", b"OPTIONS"])
"""Read-only methods (RFC 9110 §9.2.1), except TRACE, which pylb does not forward."""

IDEMPOTENCY_KEY = b"\nidempotency-key:"
"""The field as it appears in lower-cased field lines (draft-ietf-httpapi-idempotency-key-header)."""


def is_stale(error: ProxyError, *, reused: bool, answered: bool) -> bool:
    """Return whether a reused connection was already closed by its backend, which is not a failure.

    Args:
        error: the failure of the attempt.
        reused: whether the attempt used an idle connection.
        answered: whether the backend sent at least one byte.
    """
    if isinstance(error, StreamResetError):
        return False
    return reused and not answered and (error.phase, error.fault) == (Phase.HEADERS, Fault.UPSTREAM)


class Attempt(Protocol):
    """The facts about an attempt that `was_sent` uses; a `Lease` has them."""

    reused: bool
    connected: float
    error: ProxyError | None


def was_sent(attempt: Attempt) -> bool:
    """Return whether a backend may have processed the request of an attempt."""
    return bool(attempt.reused or attempt.connected) and not isinstance(attempt.error, UnprocessedError)


class RetryRules:
    """The table for one set of options.

    Args:
        options: what may be retried, and how often (`--retries`; HAProxy: 3, Envoy: 1).
    """

    def __init__(self, options: Retries) -> None:
        self._options = options
        self._methods = SAFE | {method.encode() for method in options.retry_methods}
        """Methods of requests that may be retried after they were sent."""
        self.responses = options.retry_on.intersection(GRPC.union(STATUSES))
        """Conditions of a complete response after which the request is retried on another backend."""

    def allow(
        self,
        error: ProxyError,
        request: Request,
        *,
        response: str,
        sent: bool,
        attempts: int,
        replayable: bool,
    ) -> bool:
        """Return whether the table allows to retry a request on another backend.

        Args:
            error: the failure of the last attempt, before the client received any byte of a response.
            request: the client's request.
            response: the condition that the response meets; empty if it meets none.
            sent: whether this attempt or an earlier one sent a part of the request.
            attempts: number of attempts, including this one.
            replayable: whether the part of the body that was received is still buffered.
        """
        options, met = self._options, condition(error, response)
        if not replayable or attempts > options.retries or met not in options.retry_on:
            return False
        return not sent or met in GRPC or self._harmless(request)

    def resends(self, request: Request, *, replayable: bool) -> bool:
        """Return whether a request lost on a stale connection may be resent to the same backend.

        Args:
            request: the client's request.
            replayable: whether the part of the body that was received is still buffered.
        """
        return replayable and (request.method in IDEMPOTENT or self._harmless(request))

    def _harmless(self, request: Request) -> bool:
        if request.method in self._methods:
            return True
        return self._options.retry_idempotency_key and IDEMPOTENCY_KEY in request.lines.lower()


def condition(error: ProxyError, response: str) -> str:
    """Return the member of `CONDITIONS` that a failed attempt meets; empty if it meets none.

    Args:
        error: the failure of the attempt.
        response: the condition that its response meets; empty if it meets none, or if none arrived.
    """
    if isinstance(error, UnprocessedError):
        return "connect"
    if error.phase is Phase.CONNECT and error.fault in {Fault.UPSTREAM, Fault.UPSTREAM_TIMEOUT}:
        return "connect"
    if error.phase is not Phase.HEADERS:
        return ""
    if error.fault is Fault.UPSTREAM_TIMEOUT:
        return "timeout"
    if error.fault is not Fault.UPSTREAM:
        return ""
    return response or "reset"
