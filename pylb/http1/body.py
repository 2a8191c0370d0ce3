"""Decoders and encoders of bodies (RFC 9112 §6, §7).

A decoder extracts the payload from the bytes of a connection and finds the end of the message. It has
`feed(data) -> payload`, `done`, and `rest`: the bytes after the end. A call of `feed` can be limited to a
number of chunks; if it stops at that limit, the decoder is `pending`.
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
    """The bytes between two payloads.

    Args:
        complete: matches all of them.
        partial: matches any prefix of them, for data that has not arrived in full.
        limit: maximum length in bytes.
        expected: description for error messages.
    """

    complete: re.Pattern[bytes]
    partial: re.Pattern[bytes]
    limit: int
    expected: str


_SIZE = rb"[0-9A-Fa-f]{1,15}+"
"""Below 2^60. No sign, no `0x` and no underscore, all of which `int(x, 16)` would accept."""
_SIZE_LINE = rb"(%b)([\t ]*+;%b|)\r\n" % (_SIZE, grammar.VALUE)
_SIZE_LINE_PARTIAL = rb"(?:%b(?:[\t ]*+;%b\r?|[\t ]++|\r|)|)" % (_SIZE, grammar.VALUE)

_FIRST_SIZE = _Framing(
    re.compile(_SIZE_LINE), re.compile(_SIZE_LINE_PARTIAL), MAX_CHUNK_LINE, "hexadecimal digits and CRLF"
)
_NEXT_SIZE = _Framing(
    re.compile(rb"\r\n%b" % _SIZE_LINE),
    re.compile(rb"\r|\r\n%b" % _SIZE_LINE_PARTIAL),
    MAX_CHUNK_LINE,
    "CRLF after a chunk, hexadecimal digits, and CRLF",
)
_TRAILERS = _Framing(grammar.TRAILERS, grammar.TRAILERS_PARTIAL, MAX_TRAILERS, "trailers and an empty line")

FORBIDDEN_TRAILERS = grammar.without(
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
"""Fields for framing, routing, authentication and request modifiers, which trailers must not contain
(RFC 9110 §6.5.1)."""


class Decoder(Protocol):
    """Extracts the payload of one message and finds its end."""

    done: bool
    rest: bytes
    trailers: bytes

    @property
    def pending(self) -> bool:
        """Whether `feed` has more to return without new data."""
        ...

    def feed(self, data: bytes, chunks: float = inf) -> bytes:
        """Return the payload in `data`. After the end, `done` is true and `rest` holds the bytes behind it.

        Args:
            data: the bytes that have arrived; may be empty.
            chunks: maximum number of chunks to begin. The others stay `pending` for a later call.

        Raises:
            ProxyError: the framing is invalid; created by the decoder's `error` function.
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
    """A response that ends when its connection closes; the decoder itself never finds an end."""

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
    """A chunked body. Extensions and forbidden trailers are dropped, other trailers are kept.

    Args:
        error: creates the exception for invalid framing: `bad_request` or `bad_response`.
    """

    __slots__ = (
        *("_partial", "_error", "_excess", "_next", "_position", "_remaining"),
        *("done", "pending", "rest", "trailers"),
    )

    def __init__(self, error: Callable[[str], ProxyError]) -> None:
        self.done = False
        self.rest = b""
        self.trailers = b""
        """Field lines, each with its CRLF, that may be forwarded after the last chunk."""
        self.pending = False
        self._error = error
        self._remaining = 0
        """Bytes of the current chunk's payload that have not arrived."""
        self._next = _FIRST_SIZE
        """The framing after this payload."""
        self._partial = b""
        """The part of that framing that has arrived; while decoding is pending, the data of the last call."""
        self._position = 0
        """Where decoding continues in `_partial`."""
        self._excess = 0
        """Bytes of framing beyond the allowance for the payload."""

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
                self._partial, self._position, self.pending = data, position, True
                break
            elif match := self._next.complete.match(data, position):
                chunks -= 1
                position = match.end()
                self._take_framing(match, position - match.start())
            else:
                self._partial = data[position:]
                if (
                    len(self._partial) > self._next.limit
                    or self._next.partial.fullmatch(self._partial) is None
                ):
                    raise self._broken(self._partial)
                break
        if self.done:
            self.rest = data[position:]
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _resume(self, data: bytes) -> tuple[bytes, int]:
        """Return stored bytes followed by `data`, and the position in them at which decoding begins."""
        partial, position = self._partial, self._position
        self._partial, self._position, self.pending = b"", 0, False
        if not partial:
            return data, 0
        if not data:
            return partial, position
        return partial[position:] + data, 0

    def _take_framing(self, match: re.Match[bytes], length: int) -> None:
        """Process a complete size line or trailer section."""
        framing = self._next
        if length > framing.limit:
            raise self._broken(match[0])
        if framing is _TRAILERS:
            self.trailers = FORBIDDEN_TRAILERS.sub(b"", b"\n" + match[1])[1:]
            self.done = True
            return
        self._remaining = size = int(match[1], 16)
        self._next = _NEXT_SIZE if size else _TRAILERS
        excess = self._excess + length - FRAMING_PER_CHUNK - FRAMING_PER_BYTE * size
        self._excess = excess if excess > 0 else 0
        if excess > MAX_FRAMING_EXCESS:
            raise self._error(f"{MAX_FRAMING_EXCESS} bytes more of framing in a chunked body than allowed")

    def _broken(self, framing: bytes) -> ProxyError:
        expected, limit = self._next.expected, self._next.limit
        return self._error(f"{shown(framing)} in a chunked body, expected {expected}, at most {limit} bytes")


def chunk(payload: bytes) -> bytes:
    """Return one chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(payload), payload)


def last_chunk(trailers: bytes = b"") -> bytes:
    """Return the last chunk and the trailer section of a chunked body."""
    return b"0\r\n%b\r\n" % trailers


class Encoder(Protocol):
    """Frames the payload of one message. It keeps no state, so all messages share one instance."""

    def encode(self, payload: bytes) -> bytes:
        """Return the framed payload. The payload is not empty."""

    def end(self, trailers: bytes = b"") -> bytes:
        """Return the bytes that end the body; empty if its length or the end of the connection ends it."""


class IdentityEncoder:
    """Returns the payload unchanged."""

    __slots__ = ()

    def encode(self, payload: bytes) -> bytes:
        """Return the payload."""
        return payload

    def end(self, trailers: bytes = b"") -> bytes:  # noqa: ARG002
        """Return nothing: a body without chunks has no trailers."""
        return b""


class ChunkedEncoder:
    """Encodes each payload as a chunk (RFC 9112 §7.1)."""

    __slots__ = ()
    encode = staticmethod(chunk)
    end = staticmethod(last_chunk)


IDENTITY: Encoder = IdentityEncoder()
CHUNKED: Encoder = ChunkedEncoder()
