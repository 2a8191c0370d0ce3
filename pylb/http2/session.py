"""One HTTP/2 connection without I/O: bytes in, events of streams, bytes out (RFC 9113).

    receive(bytes)        parses whole frames; each stream receives its events at once
    send_head, send, end  append frames to the output, or queue bytes on their stream (`http2/sender.py`)
    fill(room), take()    frame queued bytes, and return the output

The window of the whole connection is credited on receipt, and that of a stream only when its bytes have left
pylb. So the memory of a connection is bounded by the windows of its streams, and a stream that nobody reads
does not delay the others. `SessionError` ends the connection, `StreamError` one stream.
"""

from __future__ import annotations

from collections.abc import Callable

from pylb.http2 import frames
from pylb.http2.encoder import EMPTY_TABLE
from pylb.http2.errors import ErrorCode, SessionError, StreamError
from pylb.http2.frames import HEADER, HEADER_LENGTH
from pylb.http2.guard import Guard
from pylb.http2.sender import MAX_FRAME, MAX_WINDOW, Sender, StreamT
from pylb.http2.tables import DEFAULT_SIZE

MAX_CONTINUATIONS = 8
"""CONTINUATION frames of one header block (nghttp2; CVE-2024-27316)."""

MAX_EMPTY = 16
"""Frames in a row that carry nothing and end nothing."""

WORK_OF_BLOCK = 4
"""Units of work of a header block, besides those for its length; see `Guard.work_at_once`."""

ROOM_FOR_HEAD = 1 + WORK_OF_BLOCK + 1
"""Units without which a call does not begin a head: then a reset that follows the head is in the same call,
and the request is not served."""

BYTES_OF_WORK = 64
"""Bytes of a header block that cost as much as a frame. Huffman codes take 0.1 us a byte."""

FREE_PRIORITIES = 100
"""PRIORITY frames that a connection may send for nothing. pylb ignores them (RFC 9113 §5.3.2)."""


class Session(Sender[StreamT]):
    """One connection; a subclass for each role opens streams.

    Args:
        window: bytes that the peer may send on each new stream before any of them is consumed.
        max_header: bytes of the largest header block that may be collected.
    """

    def __init__(self, *, window: int, max_header: int) -> None:
        super().__init__(window=window)
        self.guard = Guard()
        self.now = 0.0
        """The time of the last sweep, in monotonic seconds."""
        self.last_number = 0
        """The highest stream that the peer has opened."""
        self.has_more = False
        """Whether frames that were received wait for another call of `receive`."""
        self._work = 0
        """Units that remain in this call."""
        self._max_header = max_header
        self._partial = b""
        self._position = 0
        """Where the unparsed bytes of `_partial` begin."""
        self._fragments: list[bytes] | None = None
        """The fragments of a header block that is not complete."""
        self._block_start = (0, 0)
        self._uncredited = 0
        self._empty = 0
        self._priorities = 0
        self._sent_at_ping = 0
        """`sent_data` when the last PING arrived."""
        self._window_updates = 0
        self._handlers: tuple[Callable[[int, int, bytes], None], ...] = (
            self._data,
            self._headers,
            self._priority,
            self._rst_stream,
            self._settings,
            self._push_promise,
            self._ping,
            self._goaway,
            self._window_update,
            self._continuation,
        )
        """By kind of frame. Frames of other kinds are ignored (RFC 9113 §5.5)."""
        self._may_receive: Callable[[int], bool] | None = is_settings

    # What a role adds.

    def received_block(self, number: int, block: bytes, *, end_stream: bool) -> None:
        """Take a complete header block, which must be decoded in any case."""

    def received_settings(self, values: dict[int, int]) -> None:
        """Take the peer's settings, after the session has applied its own part."""

    def received_acknowledgement(self) -> None:
        """The peer has applied the settings."""

    def received_pong(self, opaque: bytes) -> None:
        """Take the answer to a PING."""

    def received_goaway(self, last: int, code: int) -> None:
        """The peer opens no more streams, and has not processed those above `last` (RFC 9113 §6.8)."""

    # Input.

    def receive(self, data: bytes) -> None:
        """Parse the frames that are complete, at most `Guard.work_at_once`, and keep the rest.

        Raises:
            SessionError: the connection must end; `goaway` tells the peer.
        """
        if data or not self.has_more:
            buffer, position = self._partial[self._position :] + data if self._partial else data, 0
        else:
            buffer, position = self._partial, self._position
        size = len(buffer)
        handlers, known = self._handlers, len(self._handlers)
        self._work = self.guard.work_at_once
        while self._work > 0 and size - position >= HEADER_LENGTH:
            first, flags, number = HEADER.unpack_from(buffer, position)
            length, kind = first >> 8, first & 0xFF
            if length > MAX_FRAME:
                raise SessionError(
                    ErrorCode.FRAME_SIZE_ERROR, f"a frame of {length} bytes, expected at most {MAX_FRAME}"
                )
            start = position + HEADER_LENGTH
            end = start + length
            if self._may_receive is not None and not self._may_receive(kind):
                raise SessionError(ErrorCode.PROTOCOL_ERROR, f"a frame of kind {kind} at the wrong place")
            if end > size:
                break
            if kind == frames.HEADERS and self._work < ROOM_FOR_HEAD:
                self._work = 0
                break
            position = end
            self._work -= 1
            if kind < known:
                try:
                    handlers[kind](flags, number & MAX_WINDOW, buffer[start:end])
                except StreamError as error:
                    self._fault(error)
            else:
                self.guard.odd()
        self.has_more = self._work <= 0
        if self.has_more:  # A copy of the rest of a large read in each call takes longer than the frames.
            self._partial, self._position = buffer, position
        else:
            self._partial, self._position = buffer[position:], 0

    def _data(self, flags: int, number: int, payload: bytes) -> None:
        length = len(payload)
        self._uncredited += length
        if self._uncredited >= MAX_WINDOW // 2:
            self.output.append(frames.window_update(0, self._uncredited))
            self._uncredited = 0
        if flags & frames.PADDED:
            payload = _unpadded(payload)
        if not number:
            raise SessionError(ErrorCode.PROTOCOL_ERROR, "DATA without a stream")
        stream = self.streams.get(number)
        if stream is None or stream.remote_ended:
            self._late(number)
            return
        stream.window -= length
        if stream.window < 0:
            raise StreamError(number, ErrorCode.FLOW_CONTROL_ERROR, "more bytes than the window allows")
        if len(payload) < length:
            stream.owed += length - len(payload)
        if flags & frames.END_STREAM:
            stream.remote_ended = True
        elif not payload:
            self._nothing()
            return
        self._empty = 0
        stream.received(payload)
        if stream.remote_ended and stream.ended:
            self._closed(stream)

    def _headers(self, flags: int, number: int, payload: bytes) -> None:
        if flags & frames.PADDED:
            payload = _unpadded(payload)
        if flags & frames.PRIORITY_FLAG:
            if len(payload) < 5:
                raise SessionError(ErrorCode.FRAME_SIZE_ERROR, "HEADERS too short for its priority")
            payload = payload[5:]
        if not number:
            raise SessionError(ErrorCode.PROTOCOL_ERROR, "HEADERS without a stream")
        if flags & frames.END_HEADERS:
            self._work -= WORK_OF_BLOCK + len(payload) // BYTES_OF_WORK
            self.received_block(number, payload, end_stream=bool(flags & frames.END_STREAM))
            return
        self._fragments, self._block_start = [payload], (number, flags)
        self._may_receive = _is_continuation

    def _continuation(self, flags: int, number: int, payload: bytes) -> None:
        fragments = self._fragments
        if fragments is None or number != self._block_start[0]:
            raise SessionError(ErrorCode.PROTOCOL_ERROR, "CONTINUATION without its HEADERS")
        fragments.append(payload)
        if len(fragments) > MAX_CONTINUATIONS + 1 or sum(map(len, fragments)) > self._max_header:
            raise SessionError(ErrorCode.ENHANCE_YOUR_CALM, "a header block in too many pieces")
        if flags & frames.END_HEADERS:
            self._fragments = self._may_receive = None
            ended = bool(self._block_start[1] & frames.END_STREAM)
            self._work -= WORK_OF_BLOCK + sum(map(len, fragments)) // BYTES_OF_WORK
            self.received_block(number, b"".join(fragments), end_stream=ended)

    def _priority(self, _: int, number: int, payload: bytes) -> None:
        if not number:
            raise SessionError(ErrorCode.PROTOCOL_ERROR, "PRIORITY without a stream")
        if len(payload) != 5:
            raise StreamError(number, ErrorCode.FRAME_SIZE_ERROR, "PRIORITY of a wrong length")
        if int.from_bytes(payload[:4]) & MAX_WINDOW == number:
            raise StreamError(number, ErrorCode.PROTOCOL_ERROR, "a stream that depends on itself")
        self._priorities += 1
        if self._priorities > FREE_PRIORITIES:
            self.guard.odd()

    def _rst_stream(self, _: int, number: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise SessionError(ErrorCode.FRAME_SIZE_ERROR, "RST_STREAM of a wrong length")
        if not number or self.is_idle(number):
            raise SessionError(ErrorCode.PROTOCOL_ERROR, "RST_STREAM of a stream that was never opened")
        stream = self.streams.get(number)
        if stream is None:
            self.guard.odd()
            return
        stream.mark_closed()
        self._closed(stream)
        stream.received_reset(int.from_bytes(payload))

    def _settings(self, flags: int, number: int, payload: bytes) -> None:
        if number:
            raise SessionError(ErrorCode.PROTOCOL_ERROR, "SETTINGS on a stream")
        if self._may_receive is is_settings:
            if flags & frames.ACK:
                raise SessionError(ErrorCode.PROTOCOL_ERROR, "an acknowledgement before the first SETTINGS")
            self._may_receive = None
        else:
            self.guard.odd()
        if flags & frames.ACK:
            if payload:
                raise SessionError(ErrorCode.FRAME_SIZE_ERROR, "an acknowledgement of SETTINGS with content")
            self.received_acknowledgement()
            return
        values = frames.parse_settings(payload)
        self.max_frame = min(values.get(frames.MAX_FRAME_SIZE, self.max_frame), MAX_FRAME)
        if values.get(frames.HEADER_TABLE_SIZE, DEFAULT_SIZE) < DEFAULT_SIZE:
            self.table_update = EMPTY_TABLE
        if frames.INITIAL_WINDOW_SIZE in values:
            self._move_windows(values[frames.INITIAL_WINDOW_SIZE])
        self._reply(frames.SETTINGS_ACK)
        self.received_settings(values)

    def _push_promise(self, *_: object) -> None:
        raise SessionError(ErrorCode.PROTOCOL_ERROR, "PUSH_PROMISE, which is switched off")

    def _ping(self, flags: int, number: int, payload: bytes) -> None:
        if number:
            raise SessionError(ErrorCode.PROTOCOL_ERROR, "PING on a stream")
        if len(payload) != 8:
            raise SessionError(ErrorCode.FRAME_SIZE_ERROR, "PING of a wrong length")
        if self.sent_data == self._sent_at_ping:  # Clients measure round trips while they receive DATA.
            self.guard.odd()
        self._sent_at_ping = self.sent_data
        if flags & frames.ACK:
            self.received_pong(payload)
        else:
            self._reply(frames.ping(payload, ack=True))

    def _goaway(self, _: int, number: int, payload: bytes) -> None:
        if number:
            raise SessionError(ErrorCode.PROTOCOL_ERROR, "GOAWAY on a stream")
        if len(payload) < 8:
            raise SessionError(ErrorCode.FRAME_SIZE_ERROR, "GOAWAY of a wrong length")
        self.guard.odd()
        self.received_goaway(int.from_bytes(payload[:4]) & MAX_WINDOW, int.from_bytes(payload[4:8]))

    def _window_update(self, _: int, number: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise SessionError(ErrorCode.FRAME_SIZE_ERROR, "WINDOW_UPDATE of a wrong length")
        increment = int.from_bytes(payload) & MAX_WINDOW
        self._window_updates += 1
        if self._window_updates > 10 * self.sent_data + 100:  # Envoy's rule.
            self.guard.odd()
        if not number:
            self.send_window += increment
            if not increment:
                raise SessionError(ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE by 0")
            if self.send_window > MAX_WINDOW:
                raise SessionError(ErrorCode.FLOW_CONTROL_ERROR, "a window above 2^31-1")
            return
        stream = self.streams.get(number)
        if stream is None:
            if self.is_idle(number):
                raise SessionError(ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE of a stream never opened")
            return  # It may have crossed the end of the stream.
        if not increment:
            raise StreamError(number, ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE by 0")
        stream.send_window += increment
        if stream.send_window > MAX_WINDOW:
            raise StreamError(number, ErrorCode.FLOW_CONTROL_ERROR, "a window above 2^31-1")
        self._schedule(stream)

    def is_idle(self, number: int) -> bool:
        """Return whether a stream was never opened."""
        return number > self.last_number

    def _move_windows(self, size: int) -> None:
        """Apply a new initial window to all open streams; theirs may become negative (RFC 9113 §6.9.2)."""
        change = size - self.initial_send_window
        self.initial_send_window = size
        for stream in tuple(self.streams.values()):
            stream.send_window += change
            if stream.send_window > MAX_WINDOW:
                raise SessionError(ErrorCode.FLOW_CONTROL_ERROR, "a window above 2^31-1")
            self._schedule(stream)

    def _late(self, number: int) -> None:
        """Handle a frame on a stream that its sender has ended, or that pylb has closed."""
        if self.is_idle(number):
            raise SessionError(ErrorCode.PROTOCOL_ERROR, "a frame on a stream that was never opened")
        self.guard.odd()
        if number in self.streams:
            raise StreamError(number, ErrorCode.STREAM_CLOSED, "a frame after the end of its stream")

    def _nothing(self) -> None:
        """Count a frame that carries nothing and ends nothing."""
        self.guard.odd()
        self._empty += 1
        if self._empty > MAX_EMPTY:
            raise SessionError(ErrorCode.ENHANCE_YOUR_CALM, f"more than {MAX_EMPTY} empty frames in a row")

    def _fault(self, error: StreamError) -> None:
        """Reset a stream for a fault of the peer. It costs the peer as much as its own reset.

        Raises:
            SessionError: the stream was never opened, so it cannot be reset (RFC 9113 §6.4).
        """
        if self.is_idle(error.stream):
            raise SessionError(error.code, error.detail)
        self._reply(frames.rst_stream(error.stream, error.code))
        stream = self.streams.get(error.stream)
        if stream is not None:
            stream.mark_closed()
            self._closed(stream)
            stream.received_reset(error.code)
        self.guard.reset()


def _unpadded(payload: bytes) -> bytes:
    """Return what a padded frame carries (RFC 9113 §6.1)."""
    if not payload or payload[0] >= len(payload):
        raise SessionError(ErrorCode.PROTOCOL_ERROR, "more padding than the frame has bytes")
    return payload[1 : len(payload) - payload[0]]


def is_settings(kind: int) -> bool:
    """Return whether a frame may be the first one (RFC 9113 §3.4)."""
    return kind == frames.SETTINGS


def _is_continuation(kind: int) -> bool:
    return kind == frames.CONTINUATION
