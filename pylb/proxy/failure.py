"""The end of a request that failed, in a handler or before: the reason is recorded, and the client refused.

Every exchange calls `fail` for every exception, so the client, the log and the counters receive one reason.
"""

from __future__ import annotations

import logging

from pylb.errors import Fault, Phase, ProxyError
from pylb.observe.record import Record
from pylb.proxy.exchange import Exchange

log = logging.getLogger("pylb.proxy")

DEFECT = "a defect of pylb"


def fail(exchange: Exchange, record: Record, failure: Exception) -> None:
    """Record why a request ended, and refuse it."""
    error = _reason(record, failure)
    record.ended(error)
    exchange.refuse(record, error)


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
