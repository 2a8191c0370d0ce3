"""Counts a request: additions to the counters of the backend of its last attempt.

This code runs once per request, whether or not metrics are scraped. It therefore uses no labels, no names and
no locks.
"""

from __future__ import annotations

from bisect import bisect_left

from pylb.errors import NORMAL, Fault, Phase
from pylb.observe.counter_layout import (
    ABORTED,
    ATTEMPTS,
    BOUNDS,
    CODE_INDEX,
    CONNECT,
    CONNECT_ERRORS,
    CONNECT_TIME,
    DURATION,
    DURATION_TIME,
    GRPC,
    GRPC_CODES,
    HEAD,
    HEAD_TIME,
    HTTP2,
    RECEIVED,
    RESPONSE_ERRORS,
    RETRIES,
    SENT,
    TERMINATION_INDEX,
    TIMEOUTS,
)
from pylb.observe.counters import Counters
from pylb.observe.record import Record
from pylb.observe.worker_counters import WorkerCounters
from pylb.policy.lease import Lease

_LAST_CODE = len(GRPC_CODES) - 1

LEFT = (Fault.CLIENT.value, Fault.CLIENT_TIMEOUT.value)


class Metrics:
    """Counts records. `Counters.attach` must have assigned counters to each backend before.

    Args:
        counters: provides the counters of services.
    """

    def __init__(self, counters: Counters | WorkerCounters) -> None:
        self._counters = counters

    def count(self, record: Record) -> None:
        """Count one request. Called exactly once, in the `finally` block of the request."""
        attempts = record.attempts
        duration = record.finished - record.started
        bucket, microseconds = bisect_left(BOUNDS, duration), int(duration * 1e6)
        if attempts:
            last = attempts[-1]
            counters = last.backend.counters
            counters[ATTEMPTS] += 1
            if last.head:
                waited = last.head - last.started
                same = waited == duration  # Most responses arrive together with their head.
                counters[HEAD + (bucket if same else bisect_left(BOUNDS, waited))] += 1
                counters[HEAD_TIME] += microseconds if same else int(waited * 1e6)
            if not last.reused or last.error is not None or len(attempts) > 1:
                count_attempts(attempts)
        else:
            counters = self._counters.service(record.service)
        counters[CODE_INDEX[record.status]] += 1
        counters[SENT] += record.sent
        if record.protocol:
            counters[HTTP2] += 1
            code = record.grpc_code
            if code is None and attempts:
                code = last.grpc_status
            if code is not None:
                counters[GRPC + min(code, _LAST_CODE)] += 1
        if record.received:
            counters[RECEIVED] += record.received
        counters[DURATION + bucket] += 1
        counters[DURATION_TIME] += microseconds
        if record.termination != NORMAL:
            counters[TERMINATION_INDEX[record.termination]] += 1
            if record.termination[0] in LEFT:
                counters[ABORTED] += 1


def count_attempts(attempts: list[Lease]) -> None:
    """Count rare events: new connections, failures, retries."""
    for attempt in attempts:
        counters = attempt.backend.counters
        if attempt is not attempts[-1]:
            counters[ATTEMPTS] += 1
        if attempt is not attempts[0]:
            counters[RETRIES] += 1
        if attempt.connected and not attempt.reused:
            waited = attempt.connected - attempt.started
            counters[CONNECT + bisect_left(BOUNDS, waited)] += 1
            counters[CONNECT_TIME] += int(waited * 1e6)
        error = attempt.error
        if error is None:
            continue
        if error.fault is Fault.UPSTREAM_TIMEOUT:
            counters[TIMEOUTS] += 1
        if error.fault is Fault.UPSTREAM or error.fault is Fault.UPSTREAM_TIMEOUT:
            counters[CONNECT_ERRORS if error.phase is Phase.CONNECT else RESPONSE_ERRORS] += 1
