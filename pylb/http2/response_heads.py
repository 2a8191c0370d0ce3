"""Responses as header blocks (RFC 9113 §8.3.2). The blocks are the same for all connections."""

from __future__ import annotations

from collections.abc import Sequence

from pylb.http1 import grammar
from pylb.http1.parser import END_OF_HEAD, Response
from pylb.http2 import encoder

_CONNECTION_FIELDS = frozenset(grammar.HOP_BY_HOP)
"""Fields about a connection of HTTP/1.1; HTTP/2 has none of them (RFC 9113 §8.2.2)."""

_MAX_LINES = 2048
_MAX_LINE = 256
"""Bytes. Longer lines are not stored."""


class _Lines(dict[bytes, bytes]):
    """Representations by field line; empty for fields that HTTP/2 does not have. Cleared when it is full."""

    def __missing__(self, line: bytes) -> bytes:
        name, _, value = line.partition(b":")
        name = name.lower()
        encoded = b"" if name in _CONNECTION_FIELDS else encoder.field(name, value.strip(b"\t "))
        if len(line) <= _MAX_LINE:
            if len(self) == _MAX_LINES:
                self.clear()
            self[line] = encoded
        return encoded


_LINES = _Lines()
_STATUSES = {status: encoder.field(b":status", b"%d" % status) for status in range(100, 600)}


def response_block(response: Response, extra: bytes = b"") -> bytes:
    """Return the header block of a backend's response, and store it in the response.

    `ResponseReader` returns the same object for equal heads, so the block is mostly found there.

    Args:
        response: an interim or final response. Status 101 becomes 200, which opens a tunnel (RFC 8441 §5).
        extra: more field lines, each with its CRLF.
    """
    block = response.cached_block
    if not block:
        lines: Sequence[bytes] = response.lines[1:].splitlines()
        if response.clean:
            block = _STATUSES[response.status] + b"".join(map(_LINES.__getitem__, lines))
        else:
            block = _examined(response, lines)
        response.cached_block = block
    return block + trailers_block(extra) if extra else block


def block_of_text(head: bytes) -> bytes:
    """Return the header block of a message that pylb has written as a response of HTTP/1.1.

    Args:
        head: the head, or the whole message.
    """
    start, *lines = head.partition(END_OF_HEAD)[0].split(b"\r\n")
    return _STATUSES[int(start[9:12])] + b"".join(map(_LINES.__getitem__, lines))


def trailers_block(lines: bytes) -> bytes:
    """Return the header block of trailers, or the end of a header block.

    Args:
        lines: field lines, each with its CRLF.
    """
    return b"".join(map(_LINES.__getitem__, lines.splitlines()))


def _examined(response: Response, lines: Sequence[bytes]) -> bytes:
    """Return the block of a response with fields about its connection, or of a status with special rules."""
    status, dropped = response.status, response.connection_options - {b"content-length"}
    if status < 200 or status == 204:
        dropped |= {b"content-length"}  # RFC 9110 §8.6
    if status == 101:
        status, dropped = 200, dropped | {b"sec-websocket-accept"}  # RFC 8441 §5
    if dropped:
        lines = [line for line in lines if line.partition(b":")[0].lower() not in dropped]
    block = _STATUSES[status] + b"".join(map(_LINES.__getitem__, lines))
    if response.trailer_names:
        block += encoder.field(b"trailer", response.trailer_names)
    return block
