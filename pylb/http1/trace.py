"""A request's place in a trace: kept from its `traceparent` or begun, and told to the backend.

pylb is a span of its own in it: what the client said becomes the parent, and the backend is told pylb's span.
A `traceparent` that is not valid, or there twice, begins a new trace, and its `tracestate` is dropped with it
(W3C Trace Context §3.2.2, §4.3).
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
"""Version, trace, parent, flags, the last bit of which says that it is recorded. Versions after 00 may say
more."""


class Trace(NamedTuple):
    """Where a request stands in its trace; ids are hexadecimal."""

    id: bytes
    span: bytes
    """pylb's own."""
    parent: bytes
    """The client's span; empty if the trace began here."""
    sampled: bool
    """Whether it is recorded: who begins a trace decides that for all."""


class TracedRequest(Protocol):
    """The parts of a request that tracing reads and replaces."""

    lines: bytes
    cached_head: bytes
    trace: Trace | None


class Tracing:
    """Finds or makes each request's place in a trace.

    Args:
        sample: how much of the traces that begin here is recorded, from 0 to 1.
        rng: where ids come from.
    """

    def __init__(self, sample: float = 1.0, rng: Random | None = None) -> None:
        self._sample = sample
        self._rng = rng or Random()

    def begin(self, request: TracedRequest) -> None:
        """Give a request its place, and let its backend know."""
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
