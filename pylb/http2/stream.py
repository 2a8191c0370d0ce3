"""One stream of a session: its two windows, the bytes that wait to be framed, and which sides have ended.

A stream does no I/O. The session changes it when frames arrive and when it writes frames; a subclass
overrides the methods that receive events. A stream is closed once both sides have ended, or one of them has
reset it (RFC 9113 §5.1).
"""

from __future__ import annotations

from collections import deque

Bytes = bytes | memoryview

HIGH_MARK = 64 * 1024
"""Unsent bytes of a stream above which its producer is paused."""

LOW_MARK = HIGH_MARK // 2
"""Unsent bytes below which its producer continues."""


class Stream:
    """One stream, of either role.

    Args:
        number: the stream's identifier.
        send_window: bytes that the peer accepts on the stream (RFC 9113 §6.9).
        window: bytes that the peer may send on it.
    """

    __slots__ = (
        *("cut", "ended", "ending", "number", "opened", "owed", "ready", "remote_ended", "send_window"),
        *("size", "started", "trailers", "unsent", "window", "window_size"),
    )

    def __init__(self, number: int, send_window: int, window: int) -> None:
        self.number = number
        self.send_window = send_window
        """Bytes that may be sent now. Negative after the peer has lowered its initial window (§6.9.2)."""
        self.window = window
        """Bytes that the peer may still send."""
        self.window_size = window
        """What `window` becomes when all received bytes are consumed."""
        self.owed = 0
        """Bytes that were consumed and for which the peer has no new credit yet."""
        self.unsent: deque[Bytes] | None = None
        """Bytes that wait for a window or for their turn."""
        self.size = 0
        """Their number."""
        self.ready = False
        """Whether the stream waits for its turn in the session."""
        self.ending = False
        """Whether the stream ends after the unsent bytes."""
        self.trailers = b""
        """The header block of its trailers; empty for none."""
        self.opened = 0.0
        """The session's time at which the stream began, in monotonic seconds."""
        self.started = False
        """Whether a final head was sent on the stream."""
        self.ended = False
        """Whether this side has sent END_STREAM or RST_STREAM."""
        self.remote_ended = False
        """Whether the peer has."""
        self.cut = False
        """Whether the stream was closed before the peer had ended it: then its message is incomplete."""

    def mark_closed(self) -> None:
        """Mark both sides as ended, because one of them has reset the stream."""
        self.cut = not self.remote_ended
        self.ended = self.remote_ended = True

    def begin(self) -> None:
        """The stream is open: serve its request."""

    def received(self, data: bytes) -> None:
        """Take bytes of the body; `remote_ended` shows whether they are the last."""

    def received_trailers(self, lines: bytes) -> None:
        """Take the trailers, as HTTP/1 field lines. The body has ended."""

    def received_reset(self, code: int) -> None:
        """The stream is closed: the peer has reset it, or the session did for a fault of the peer."""

    def sent_all(self) -> None:
        """The queued bytes were framed, and with them the end of the stream."""

    def too_full(self) -> None:
        """More than `HIGH_MARK` bytes are unsent: stop producing."""

    def has_room(self) -> None:
        """Fewer than `LOW_MARK` bytes are unsent after `too_full`: continue."""
