"""The layout of a slot: which counter lies in which cell, for whoever writes or reads counters.

A slot is `CELLS` signed 64-bit integers, and belongs to one backend or to one service. A cell only ever grows
while its slot belongs to the same backend. Every process that shares the counters has this very table, so it
must be the same program that writes and reads them.
"""

from __future__ import annotations

from typing import Final

BOUNDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
"""Upper bounds of the latency buckets in seconds, bound included; one more bucket takes what is slower."""
BUCKETS: Final = len(BOUNDS) + 1

CODES: Final = ("499", "1xx", "2xx", "3xx", "4xx", "5xx")
"""The classes that statuses are counted in; cell 0 is nginx's 499, the client left before it was answered."""
CODE_CELL: Final = bytes(0 if status in (0, 499) else min(max(status // 100, 1), 5) for status in range(1000))
"""From a status to the cell that counts its class."""

ABORTED: Final = 6
"""Requests that the client left before their end, answered or not."""
RECEIVED: Final = 7
"""Bytes of request bodies."""
SENT: Final = 8
"""Bytes of response bodies."""
ATTEMPTS: Final = 9
"""Tries to get an answer from this backend."""
RETRIES: Final = 10
"""Those of them that followed a failure elsewhere, or on a connection that had been idle."""
CONNECT_ERRORS: Final = 11
"""Tries that got no connection, time-outs included."""
RESPONSE_ERRORS: Final = 12
"""Tries that got a connection but no whole, valid response, time-outs included."""
TIMEOUTS: Final = 13
"""Tries that ended because the backend took too long, whatever for."""
CONNECT_TIME: Final = 14
"""Microseconds that opening connections took."""
DURATION_TIME: Final = 15
"""Microseconds from a request's head to the end of its response."""
HEAD_TIME: Final = 16
"""Microseconds from the start of a try to its response's head."""
DURATION: Final = 17
"""The first of `BUCKETS` cells: requests by duration."""
HEAD: Final = DURATION + BUCKETS
"""The first of `BUCKETS` cells: tries by the time to the response's head."""
CONNECT: Final = HEAD + BUCKETS
"""The first of `BUCKETS` cells: connections opened by the time that it took."""
EVENTS: Final = (
    *("suspect", "ejected", "probation", "failed", "up", "panic", "retry_denied"),
    *("queued", "queue_timeout", "queue_full"),
)
"""What failures and limits did to a pool; see `Pool.events`."""
EVENT: Final = CONNECT + BUCKETS
"""The first of as many cells, in the slot of the service."""
TERMINATIONS: Final = (
    *("CQ", "CC", "CH", "CD", "SC", "SH", "SD"),
    *("cR", "cH", "cD", "cT", "sQ", "sC", "sH", "sD"),
    *("PR", "PQ", "RR", "RQ", "DQ"),
    *("KQ", "KC", "KH", "KD", "KT"),
    *("IQ", "IH", "ID"),
)
"""How requests end that do not end as they should: every termination code that there is."""
TERMINATION_CELL: Final = {code: EVENT + len(EVENTS) + place for place, code in enumerate(TERMINATIONS)}
"""From a termination code to the cell that counts it."""
CELLS: Final = EVENT + len(EVENTS) + len(TERMINATIONS)
