"""The layout of a slot of counters: the index of each counter.

A slot has `SLOT_LENGTH` signed 64-bit integers and belongs to one backend or one service. A counter only
increases while its slot belongs to the same backend. All processes that share the memory must use the same
layout: `shared_counters.LAYOUT` identifies it. This module contains constants only.

A plain counter is one declaration: `NAME: Final = _counter(metric, help)`. Its index, its metrics by service
and by backend, and their help derive from it. Code that counts uses the name: `counters[NAME] += 1`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pylb.grpc_codes import NAMES


@dataclass(frozen=True, slots=True)
class Counter:
    """A plain counter: its index in a slot, and the metric that exports it."""

    index: int
    name: str
    """The name of the metric without its prefix, `pylb_` or `pylb_backend_`."""
    help: str


BOUNDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
"""Inclusive upper bounds of the latency buckets, in seconds. One more bucket counts longer durations."""
BUCKETS: Final = len(BOUNDS) + 1

CODES: Final = ("499", "1xx", "2xx", "3xx", "4xx", "5xx")
"""The classes of statuses. Index 0 is nginx's 499: the client closed the connection before the response."""
CODE_INDEX: Final = bytes(
    0 if status in (0, 499) else min(max(status // 100, 1), 5) for status in range(1000)
)
"""Maps a status to the index of the counter of its class."""

_declared: list[Counter] = []


def _counter(name: str, help: str) -> int:  # noqa: A002 - as in the text format
    """Declare the next counter; return its index."""
    index = len(CODES) + len(_declared)
    _declared.append(Counter(index, name, help))
    return index


ABORTED: Final = _counter(
    "requests_aborted_total", "Requests that the client aborted, before or during the response."
)
HTTP2: Final = _counter("http2_requests_total", "Requests that clients sent with HTTP/2.")
RECEIVED: Final = _counter("request_body_bytes_total", "Bytes of request bodies received from clients.")
SENT: Final = _counter("response_body_bytes_total", "Bytes of response bodies sent to clients.")
ATTEMPTS: Final = _counter("upstream_attempts_total", "Attempts to send a request to a backend.")
RETRIES: Final = _counter(
    "upstream_retries_total",
    "Attempts that followed a failed attempt, on another backend or on a reused connection.",
)
CONNECT_ERRORS: Final = _counter(
    "upstream_connect_errors_total", "Attempts that failed to connect, time-outs included."
)
RESPONSE_ERRORS: Final = _counter(
    "upstream_response_errors_total",
    "Attempts that connected but received no complete, valid response, time-outs included.",
)
TIMEOUTS: Final = _counter("upstream_timeouts_total", "Attempts that ended by any time-out of the backend.")

COUNTERS: Final = tuple(_declared)
"""All plain counters. `exposition` exports each one by service and by backend."""

CONNECT_TIME: Final = len(CODES) + len(COUNTERS)
"""Microseconds spent on connecting."""
DURATION_TIME: Final = CONNECT_TIME + 1
"""Microseconds from the head of a request to the end of its response."""
HEAD_TIME: Final = DURATION_TIME + 1
"""Microseconds from the start of an attempt to the head of its response."""
DURATION: Final = HEAD_TIME + 1
"""The first of `BUCKETS` counters: requests by duration."""
HEAD: Final = DURATION + BUCKETS
"""The first of `BUCKETS` counters: attempts by the time to the head of the response."""
CONNECT: Final = HEAD + BUCKETS
"""The first of `BUCKETS` counters: new connections by connect time."""
EVENTS: Final = (
    *("suspect", "ejected", "half-open", "failed", "up", "panic", "retry_denied"),
    *("queued", "queue_timeout", "queue_full", "no_key"),
    *("session_new", "session_moved"),
)
"""State changes and limits of a pool, by name; see `Pool.events`."""
EVENT: Final = CONNECT + BUCKETS
"""The first of `len(EVENTS)` counters, in the slot of the service."""
TERMINATIONS: Final = (
    *("CQ", "CC", "CH", "CD", "SC", "SH", "SD"),
    *("cR", "cH", "cD", "cT", "sQ", "sC", "sH", "sD"),
    *("PR", "PQ", "PC", "RR", "RQ", "RC", "DQ"),
    *("KQ", "KC", "KH", "KD", "KT"),
    *("IQ", "IH", "ID"),
)
"""Every termination code of a request that does not complete normally."""
TERMINATION_INDEX: Final = {code: EVENT + len(EVENTS) + place for place, code in enumerate(TERMINATIONS)}
"""Maps a termination code to the index of its counter."""
GRPC_CODES: Final = (*NAMES, "other")
"""The codes with which calls of gRPC end, by number."""
GRPC: Final = EVENT + len(EVENTS) + len(TERMINATIONS)
"""The first of `len(GRPC_CODES)` counters: calls of gRPC by code."""
SLOT_LENGTH: Final = GRPC + len(GRPC_CODES)
