"""The end of a request that failed, in a handler or before: the reason is recorded, and the client refused.

Every exchange calls `fail` for every exception, so the client, the log and the counters receive one reason.
"""

from __future__ import annotations

import logging

from pylb.errors import Fault, Phase, ProxyError
from pylb.http1.writer import error_response, prefers_json
from pylb.observe.record import Record
from pylb.proxy.exchange import Exchange

log = logging.getLogger("pylb.proxy")

DEFECT = "a defect of pylb"

RETRY_AFTER = 1
"""Seconds after which a client may send a request again that was refused for lack of room."""

RETRIABLE = frozenset([429, 503])
"""Statuses of pylb's responses that carry `Retry-After`."""


def fail(exchange: Exchange, record: Record, failure: Exception) -> None:
    """Record why a request ended, and refuse it."""
    error = _reason(record, failure)
    record.ended(error)
    exchange.refuse(record, error)


def failure_response(record: Record, error: ProxyError, date: bytes) -> bytes:
    """Return the response that tells a client why its request failed, in the form of HTTP/1.

    Args:
        record: of the request.
        error: the reason. A client receives its text only if it describes the client's own bytes.
        date: the current time as an HTTP date.
    """
    request = record.request
    return error_response(
        error.status,
        error.detail if error.fault is Fault.POLICY else "",
        request_id=record.id,
        retry_after=RETRY_AFTER if error.status in RETRIABLE else 0,
        body=request is None or request.method != b"HEAD",
        date=date,
        as_json=request is not None and prefers_json(request.lines),
    )


def _reason(record: Record, failure: Exception) -> ProxyError:
    """Return the error of a request. Any other exception than `ProxyError` is a defect, and is logged."""
    if isinstance(failure, ProxyError):
        return failure
    log.error("a defect ended a request", exc_info=failure)
    if record.sending:
        return ProxyError(Phase.DATA, Fault.INTERNAL, DEFECT)
    if record.attempts:
        return ProxyError(Phase.HEADERS, Fault.INTERNAL, DEFECT)
    return ProxyError(Phase.QUEUE, Fault.INTERNAL, DEFECT)
