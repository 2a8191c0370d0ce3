"""Bodies: the bytes of a connection in, the payload out, and where the message ends (RFC 9112 §6, §7).

Every decoder has `feed(data) -> payload`, `done`, and `rest`, the bytes that came after the end.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol

from pylb.errors import ProxyError
from pylb.http1 import grammar
from pylb.http1.limits import MAX_CHUNK_EXTENSIONS, MAX_CHUNK_LINE, MAX_TRAILERS

_EXTENSION = rb"[\t ]*+;[\t ]*+[\t\x20-\x7e\x80-\xff]*+"
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})(" + _EXTENSION + rb")?")
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
    *grammar.FORWARDED,
    *grammar.HOP_BY_HOP,
)
"""Framing, routing, authentication and request modifiers must not arrive late (RFC 9110 §6.5.1)."""


class Decoder(Protocol):
    """Finds the payload of one message, and its end."""

    done: bool
    rest: bytes
    trailers: bytes

    def feed(self, data: bytes) -> bytes:
        """The payload in `data`. After the end `done` is true, and `rest` holds what follows it.

        Raises:
            ProxyError: the framing is broken; made by the function that the decoder was given.
        """
        ...


class Sized:
    """A body with a Content-Length."""

    __slots__ = ("done", "remaining", "rest", "trailers")

    def __init__(self, length: int) -> None:
        self.remaining = length
        self.done = length == 0
        self.rest = b""
        self.trailers = b""

    def feed(self, data: bytes) -> bytes:
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

    def __init__(self) -> None:
        self.done = False
        self.rest = b""
        self.trailers = b""

    def feed(self, data: bytes) -> bytes:
        return data


class Chunked:
    """A chunked body. Extensions are dropped, trailers kept but for those that must not be there.

    Args:
        error: makes the exception for broken framing: `refused` or `bad_response`.
    """

    __slots__ = ("_buffer", "_error", "_extensions", "_remaining", "_state", "done", "rest", "trailers")

    def __init__(self, error: Callable[[str], ProxyError]) -> None:
        self.done = False
        self.rest = b""
        self.trailers = b""
        """Field lines, each with its CRLF, that may be passed on after the last chunk."""
        self._error = error
        self._buffer = b""
        self._remaining = 0
        self._extensions = 0
        self._state = self._size

    def feed(self, data: bytes) -> bytes:
        if self._state == self._payload and self._remaining > len(data):
            self._remaining -= len(data)  # The inside of a large chunk: nothing to look at.
            return data
        self._buffer += data
        pieces: list[bytes] = []
        while self._state(pieces):
            pass
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    # Each state consumes what it can of the buffer and says whether another look is worth it.

    def _size(self, pieces: list[bytes]) -> bool:  # noqa: ARG002
        end = self._buffer.find(b"\r\n")
        if end < 0:
            if len(self._buffer) > MAX_CHUNK_LINE or b"\n" in self._buffer:
                raise self._error(
                    f"chunk size line {self._buffer[:40]!r}, expected hexadecimal digits and CRLF"
                )
            return False
        match = _SIZE.fullmatch(self._buffer, 0, end)
        if match is None or end > MAX_CHUNK_LINE:
            raise self._error(
                f"chunk size line {self._buffer[: min(end, 40)]!r}, expected hexadecimal digits"
            )
        self._extensions += len(match[2] or b"")
        if self._extensions > MAX_CHUNK_EXTENSIONS:
            raise self._error(f"chunk extensions of more than {MAX_CHUNK_EXTENSIONS} bytes")
        self._remaining = int(match[1], 16)
        self._buffer = self._buffer[end + 2 :]
        self._state = self._payload if self._remaining else self._trailers
        return True

    def _payload(self, pieces: list[bytes]) -> bool:
        piece = self._buffer[: self._remaining]
        if piece:
            pieces.append(piece)
            self._remaining -= len(piece)
            self._buffer = self._buffer[len(piece) :]
        if self._remaining:
            return False
        self._state = self._end_of_chunk
        return True

    def _end_of_chunk(self, pieces: list[bytes]) -> bool:  # noqa: ARG002
        if not b"\r\n".startswith(self._buffer[:2]):
            raise self._error(f"{self._buffer[:2]!r} after a chunk, expected CRLF")
        if len(self._buffer) < 2:
            return False
        self._buffer = self._buffer[2:]
        self._state = self._size
        return True

    def _trailers(self, pieces: list[bytes]) -> bool:  # noqa: ARG002
        if self._buffer.startswith(b"\r\n"):
            end = 2
        else:
            end = self._buffer.find(b"\r\n\r\n") + 4
            if end < 4 and (len(self._buffer) > MAX_TRAILERS or b"\n\n" in self._buffer):
                raise self._error("a trailer section that is too long or does not end in an empty line")
            if end < 4:
                return False
            section = self._buffer[:end]
            if len(section) > MAX_TRAILERS or grammar.TRAILERS.fullmatch(section) is None:
                raise self._error(f"trailers {section[:40]!r}, expected field lines")
            self.trailers = _NEVER_TRAILS.sub(b"", b"\n" + section[:-2])[1:]
        self.rest = self._buffer[end:]
        self._buffer = b""
        self.done = True
        return False


def chunk(payload: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(payload), payload)


def last_chunk(trailers: bytes = b"") -> bytes:
    """The end of a chunked body."""
    return b"0\r\n%b\r\n" % trailers
