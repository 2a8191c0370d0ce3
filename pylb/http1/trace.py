"""Continues the trace of a request's `traceparent` or starts a new trace, and forwards it to the backend.

pylb adds one span per request: the client's span is its parent, and the backend receives pylb's span as its
parent. If `traceparent` is invalid or repeated, pylb starts a new trace and drops `tracestate` (W3C Trace
Context §3.2.2, §4.3).
"""

from __future__ import annotations

import re
from random import Random
from typing import NamedTuple, Protocol

from pylb.http1 import grammar

_GIVEN = grammar.fields(rb"traceparent")
_PARENT = grammar.without(rb"traceparent")
_PARENT_AND_STATE = grammar.without(rb"traceparent", rb"tracestate")
_VALID = re.compile(
    rb"(?:00(?=.{53}\Z)|(?!00|ff)[0-9a-f]{2})"
    rb"-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]([0-9a-f])(?:-.*)?"
)
"""Version, trace, parent, flags; the last bit of the flags means "sampled". Versions after 00 may append
more."""


class Trace(NamedTuple):
    """The position of a request in its trace; ids are hexadecimal."""

    id: bytes
    span: bytes
    """The id of pylb's span."""
    parent: bytes
    """The id of the client's span; empty if pylb started the trace."""
    sampled: bool
    """Whether the trace is recorded; the program that starts a trace decides."""


class TracedRequest(Protocol):
    """The parts of a request that tracing reads and replaces."""

    lines: bytes
    cached_head: bytes
    trace: Trace | None


class Tracing:
    """Continues or starts the trace of each request.

    Args:
        sample: share of the traces started by pylb that is recorded, from 0 to 1.
        rng: the source of ids and of sampling decisions.
    """

    def __init__(self, sample: float = 1.0, rng: Random | None = None) -> None:
        self._sample = sample
        self._rng = rng or Random()

    def begin(self, request: TracedRequest) -> None:
        """Set the trace of a request, and replace its `traceparent` by one with pylb's span."""
        given = _GIVEN.findall(request.lines)
        valid = _VALID.fullmatch(given[0][1].rstrip(b"\t ")) if len(given) == 1 else None
        span = b"%016x" % (self._rng.getrandbits(64) or 1)
        if valid is not None:
            trace = Trace(valid[1], span, valid[2], bool(int(valid[3], 16) & 1))
            lines = _PARENT.sub(b"", request.lines)
        else:
            id_ = b"%032x" % (self._rng.getrandbits(128) or 1)
            trace = Trace(id_, span, b"", self._rng.random() < self._sample)
            lines = _PARENT_AND_STATE.sub(b"", request.lines)
        request.trace = trace
        request.cached_head = b""
        request.lines = b"%btraceparent: 00-%b-%b-%02x\r\n" % (lines, trace.id, span, trace.sampled)
