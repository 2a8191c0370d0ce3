"""Limits on heads and on the framing of bodies. No client can raise them."""

from __future__ import annotations

MAX_CHUNK_LINE = 256
"""Bytes of a chunk's size line with its extensions. Real lines have fewer than 20; long ones waste CPU time
(CVE-2023-39326)."""

MAX_TRAILERS = 8 * 1024
"""Bytes of the trailer section of a chunked body."""

MAX_RESPONSE_HEAD = 64 * 1024
"""Bytes of a response head. Larger than the limit for requests, because backends are trusted and may set many
cookies."""

MAX_INTERIM = 100
"""Interim responses (1xx) before the final response: more than any server needs, few enough to end a
flood."""

FRAMING_PER_CHUNK = 16
FRAMING_PER_BYTE = 2
"""Bytes of framing that are allowed per chunk and per byte of payload.

The framing of a one-byte chunk has 5 bytes, and a sender may stream byte by byte. A chunk extension can be 50
times as long as its payload (CVE-2023-39326). These numbers and the next one are those of Go's net/http."""

MAX_FRAMING_EXCESS = 16 * 1024
"""Bytes of framing beyond that allowance, accumulated until chunks with less framing compensate for them."""
