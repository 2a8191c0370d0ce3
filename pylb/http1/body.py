"""Bodies: the bytes of a connection in, the payload out, and where the message ends (RFC 9112 §6, §7).

Every decoder has `feed(data) -> payload`, `done`, and `rest`, the bytes that came after the end. One call may
be told to decode a few chunks only; then the decoder is `pending`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Protocol

from pylb.errors import ProxyError
from pylb.http1 import grammar
from pylb.http1.bad_request import shown
from pylb.http1.limits import (
    FRAMING_PER_BYTE,
    FRAMING_PER_CHUNK,
    MAX_CHUNK_LINE,
    MAX_FRAMING_EXCESS,
    MAX_TRAILERS,
)


@dataclass(frozen=True, slots=True)
class _Framing:
    """What stands between payloads.

    Args:
        whole: all of it.
        begun: what it may look like while some of it has not arrived.
        limit: its length in bytes.
        expected: its name, for who got it wrong.
    """

    whole: re.Pattern[bytes]
    begun: re.Pattern[bytes]
    limit: int
    expected: str


_SIZE = rb"[0-9A-Fa-f]{1,15}+"
"""Below 2^60. No sign, no `0x`, no underscore, all of which `int(x, 16)` would take."""
_SIZE_LINE = rb"(%b)([\t ]*+;%b|)\r\n" % (_SIZE, grammar.VALUE)
_SIZE_LINE_BEGUN = rb"(?:%b(?:[\t ]*+;%b\r?|[\t ]++|\r|)|)" % (_SIZE, grammar.VALUE)

_FIRST_SIZE = _Framing(
    re.compile(_SIZE_LINE), re.compile(_SIZE_LINE_BEGUN), MAX_CHUNK_LINE, "hexadecimal digits and CRLF"
)
_NEXT_SIZE = _Framing(
    re.compile(rb"\r\n%b" % _SIZE_LINE),
    re.compile(rb"\r|\r\n%b" % _SIZE_LINE_BEGUN),
    MAX_CHUNK_LINE,
    "CRLF after a chunk, hexadecimal digits, and CRLF",
)
_TRAILERS = _Framing(grammar.TRAILERS, grammar.TRAILERS_BEGUN, MAX_TRAILERS, "trailers and an empty line")

_NEVER_TRAILS = grammar.without(
    rb"authorization",
    rb"cache-control",
    rb"content-encoding",
    rb"content-length",
    rb"content-range",
    rb"content-type",
    rb"cookie",
    rb"expect",
    rb"host",
    rb"max-forwards",
    rb"proxy",
    rb"set-cookie",
    grammar.REQUEST_ID,
    *grammar.FORWARDED,
    *grammar.HOP_BY_HOP,
    *grammar.LOOKALIKES,
)
"""Framing, routing, authentication and request modifiers must not arrive late (RFC 9110 §6.5.1)."""


class Decoder(Protocol):
    """Finds the payload of one message, and its end."""

    done: bool
    rest: bytes
    trailers: bytes

    pending: bool

    def feed(self, data: bytes, chunks: float = inf) -> bytes:
        """Return the payload in `data`. After the end `done` is true, and `rest` holds what follows it.

        Args:
            data: what has arrived; it may be empty.
            chunks: how many chunks to begin at most. Others stay `pending`, to be decoded by another call.

        Raises:
            ProxyError: the framing is broken; made by the function that the decoder was given.
        """
        ...


class Sized:
    """A body with a Content-Length."""

    __slots__ = ("done", "remaining", "rest", "trailers")
    pending = False

    def __init__(self, length: int) -> None:
        self.remaining = length
        self.done = length == 0
        self.rest = b""
        self.trailers = b""

    def feed(self, data: bytes, chunks: float = inf) -> bytes:  # noqa: ARG002
        """See `Decoder.feed`."""
        self.remaining -= len(data)
        if self.remaining > 0:
            return data
        self.done = True
        if self.remaining == 0:
            return data
        end = len(data) + self.remaining
        self.remaining = 0
        self.rest = data[end:]
        return data[:end]


class UntilClose:
    """A response that ends with its connection; only the connection knows when."""

    __slots__ = ("done", "rest", "trailers")
    pending = False

    def __init__(self) -> None:
        self.done = False
        self.rest = b""
        self.trailers = b""

    def feed(self, data: bytes, chunks: float = inf) -> bytes:  # noqa: ARG002
        """See `Decoder.feed`."""
        return data


class Chunked:
    """A chunked body. Extensions are dropped, trailers kept but for those that must not be there.

    Args:
        error: makes the exception for broken framing: `bad_request` or `bad_response`.
    """

    __slots__ = (
        *("_begun", "_error", "_excess", "_next", "_position", "_remaining"),
        *("done", "pending", "rest", "trailers"),
    )

    def __init__(self, error: Callable[[str], ProxyError]) -> None:
        self.done = False
        self.rest = b""
        self.trailers = b""
        """Field lines, each with its CRLF, that may be passed on after the last chunk."""
        self.pending = False
        self._error = error
        self._remaining = 0
        """Bytes of the current chunk's payload that are still to come."""
        self._next = _FIRST_SIZE
        """What comes after them."""
        self._begun = b""
        """What is there of it; while decoding is pending, all that was fed last."""
        self._position = 0
        """Where decoding goes on in `_begun`."""
        self._excess = 0
        """Bytes by which framing outweighs payload."""

    def feed(self, data: bytes, chunks: float = inf) -> bytes:
        """See `Decoder.feed`."""
        if self._remaining > len(data) and not self.pending:  # The inside of a large chunk.
            self._remaining -= len(data)
            return data
        data, position = self._resume(data)
        end, pieces = len(data), []
        while position < end and not self.done:
            if self._remaining:
                piece = data[position : position + self._remaining]
                pieces.append(piece)
                position += len(piece)
                self._remaining -= len(piece)
            elif chunks <= 0:
                self._begun, self._position, self.pending = data, position, True
                break
            elif match := self._next.whole.match(data, position):
                chunks -= 1
                position = match.end()
                self._understand(match, position - match.start())
            else:
                self._begun = data[position:]
                if len(self._begun) > self._next.limit or self._next.begun.fullmatch(self._begun) is None:
                    raise self._broken(self._begun)
                break
        if self.done:
            self.rest = data[position:]
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _resume(self, data: bytes) -> tuple[bytes, int]:
        """What is to be decoded, with what was kept of earlier data before it, and where to begin in it."""
        begun, position = self._begun, self._position
        self._begun, self._position, self.pending = b"", 0, False
        if not begun:
            return data, 0
        if not data:
            return begun, position
        return begun[position:] + data, 0

    def _understand(self, match: re.Match[bytes], length: int) -> None:
        """Take in a whole piece of framing."""
        framing = self._next
        if length > framing.limit:
            raise self._broken(match[0])
        if framing is _TRAILERS:
            self.trailers = _NEVER_TRAILS.sub(b"", b"\n" + match[1])[1:]
            self.done = True
            return
        self._remaining = size = int(match[1], 16)
        self._next = _NEXT_SIZE if size else _TRAILERS
        excess = self._excess + length - FRAMING_PER_CHUNK - FRAMING_PER_BYTE * size
        self._excess = excess if excess > 0 else 0
        if excess > MAX_FRAMING_EXCESS:
            raise self._error(f"{MAX_FRAMING_EXCESS} bytes more of framing in a chunked body than is usual")

    def _broken(self, framing: bytes) -> ProxyError:
        expected, limit = self._next.expected, self._next.limit
        return self._error(f"{shown(framing)} in a chunked body, expected {expected}, at most {limit} bytes")


def chunk(payload: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(payload), payload)


def last_chunk(trailers: bytes = b"") -> bytes:
    """The end of a chunked body."""
    return b"0\r\n%b\r\n" % trailers


class Encoder(Protocol):
    """Frames the payload of one message. It keeps no state, so that all messages share one."""

    def encode(self, payload: bytes) -> bytes:
        """Return the bytes that carry a payload, which is not empty."""

    def end(self, trailers: bytes = b"") -> bytes:
        """Return the bytes that end the body; empty if its length, or the connection, ends it."""


class IdentityEncoder:
    """Passes the payload on as it is."""

    __slots__ = ()

    def encode(self, payload: bytes) -> bytes:
        """Return the payload."""
        return payload

    def end(self, trailers: bytes = b"") -> bytes:  # noqa: ARG002
        """Return nothing: a body without chunks has no trailers."""
        return b""


class ChunkedEncoder:
    """Makes a chunk of each payload (RFC 9112 section 7.1)."""

    __slots__ = ()
    encode = staticmethod(chunk)
    end = staticmethod(last_chunk)


IDENTITY: Encoder = IdentityEncoder()
CHUNKED: Encoder = ChunkedEncoder()
