"""The body of a stream, which DATA frames deliver without other framing."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Protocol

from pylb.errors import ProxyError


class Source(Protocol):
    """The stream that a body arrives on."""

    @property
    def complete(self) -> bool:
        """Whether the peer has ended its message, and all of it was delivered."""


class StreamBody:
    """A decoder of the body of a stream: it ends with the stream, and has its declared length.

    Args:
        stream: the stream that the body arrives on.
        length: the declared Content-Length; -1 if none was declared.
        error: makes the exception for a body of another length (RFC 9113 §8.1.1).
    """

    __slots__ = ("_error", "_missing", "_stream", "done", "trailers")

    rest = b""
    """Nothing follows a body on its stream."""

    def __init__(self, stream: Source, length: int, error: Callable[[str], ProxyError]) -> None:
        self._stream = stream
        self._missing = length if length >= 0 else inf
        self._error = error
        self.done = False
        self.trailers = b""
        """Field lines, each with its CRLF; set by the stream before its end."""

    @property
    def pending(self) -> bool:
        """Whether the stream has ended and the end was not examined."""
        return self._stream.complete and not self.done

    def feed(self, data: bytes, chunks: float = inf) -> bytes:  # noqa: ARG002
        """See `http1.body.Decoder.feed`."""
        self._missing -= len(data)
        if self._missing < 0:
            raise self._error("a body longer than its Content-Length")
        if self._stream.complete:
            if 0 < self._missing < inf:
                raise self._error("a body shorter than its Content-Length")
            self.done = True
        return data
