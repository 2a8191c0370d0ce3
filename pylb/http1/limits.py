"""How much of a message's frame is accepted. A client can make none of these grow."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on requests, in bytes unless said otherwise."""

    head: int = 32 * 1024
    """Start line and header fields together. nginx: 4 × 8 KiB; HAProxy: 15 KiB; Node: 16 KiB."""
    target: int = 8 * 1024
    """The request target; RFC 9112 §3 recommends at least 8,000."""
    fields: int = 100
    """Number of header fields. HAProxy: 101; Apache: 100."""
    body: float = float("inf")
    """A request's body."""


MAX_CHUNK_LINE = 256
"""A chunk's size line with its extensions. Real ones are below 20; long ones burn CPU (CVE-2023-39326)."""

MAX_TRAILERS = 8 * 1024
"""The trailer section of a chunked body."""

MAX_RESPONSE_HEAD = 64 * 1024
"""A backend's head. More generous than to clients: backends are ours, and cookies add up."""

MAX_INTERIM = 100
"""Answers of 1xx before the final one: more than any server has to say, few enough that a flood ends soon."""

FRAMING_PER_CHUNK = 16
FRAMING_PER_BYTE = 2
"""Bytes of framing that go without question with each chunk, and with each byte of its payload.

A chunk of one byte has 5, and a sender may stream byte by byte. A chunk extension can be 50 times its payload
(CVE-2023-39326). These numbers and the next one are those of Go's net/http."""

MAX_FRAMING_EXCESS = 16 * 1024
"""Bytes of framing beyond that, in a row."""
