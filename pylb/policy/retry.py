"""What may be tried again, as a table with its reasons.

    it failed                                     again?
    before anything was sent                      any method, on another backend: no backend has seen the request
    on a reused connection, before a byte         idempotent methods, on a fresh connection: the backend had closed
    came back                                     the idle one; not its fault, and it does not count as a try
                                                  (nginx: the failure of a cached connection does not use up a try)
    later                                         no: the backend may have acted on it

A request of which more has gone than was kept cannot be sent again, and is not.
"""

from __future__ import annotations

from pylb.errors import Fault, Phase, ProxyError

IDEMPOTENT = frozenset([b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"])
"""Methods that mean the same done twice as done once (RFC 9110 §9.2.2)."""

TRIES = 3
"""Backends that one request is offered to: the first, and two more (HAProxy's `retries` is 3, nginx tries all)."""


def is_stale(error: ProxyError, *, reused: bool, answered: bool) -> bool:
    """Whether an idle connection turned out to be closed already: no verdict on its backend.

    Args:
        error: how the attempt failed.
        reused: whether it was made on an idle connection.
        answered: whether a byte came back.
    """
    return reused and not answered and (error.phase, error.fault) == (Phase.HEADERS, Fault.UPSTREAM)


def may_retry(error: ProxyError, *, method: bytes, stale: bool, tries: int, replayable: bool) -> bool:
    """Whether a request may be tried again after `error`.

    Args:
        error: how the last attempt failed.
        method: the request's.
        stale: what `is_stale` says of the attempt.
        tries: backends it has been offered to, stale connections not counted.
        replayable: whether all that was taken of its body is still there.
    """
    if stale:
        return method in IDEMPOTENT and replayable
    if error.phase is Phase.CONNECT and error.fault is not Fault.CLIENT:
        return replayable and tries < TRIES
    return False
