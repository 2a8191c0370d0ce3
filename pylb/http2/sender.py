"""What one side of a session sends: heads at once, bodies as far as the windows allow (RFC 9113 §5.2).

Frames are collected in `output`. Bytes of a body wait on their stream until `fill` frames them, one frame of
each stream in turn, so that no stream delays the others.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar, cast

from pylb.http2 import frames
from pylb.http2.errors import ErrorCode
from pylb.http2.frames import HEADER
from pylb.http2.stream import HIGH_MARK, LOW_MARK, Bytes, Stream

MAX_FRAME = frames.DEFAULT_FRAME_SIZE
"""Bytes of the largest frame that pylb accepts and sends. Larger frames delay other streams."""

MAX_WINDOW = frames.LARGEST_WINDOW

SMALL = 1024
"""Bytes of a frame below which its header and its WINDOW_UPDATE cost more than it carries."""

INITIAL_WINDOW = 65_535
"""The windows before any SETTINGS (RFC 9113 §6.9.2)."""

LARGEST_WINDOW = 2**20
"""Bytes to which the window of a stream grows whose bytes are consumed at once."""

GROWTH_BUDGET = 2 * 2**20
"""Bytes by which all windows of a connection may have grown together."""

StreamT = TypeVar("StreamT", bound=Stream)


class Sender(Generic[StreamT]):
    """The sending half of a session.

    Args:
        window: bytes that the peer may send on each new stream before any of them is consumed.
    """

    def __init__(self, *, window: int) -> None:
        self.streams: dict[int, StreamT] = {}
        """The open streams by number."""
        self.output: list[Bytes] = []
        """Frames to be written."""
        self.window = window
        self.send_window = INITIAL_WINDOW
        """Bytes that the peer accepts on all streams together."""
        self.initial_send_window = INITIAL_WINDOW
        self.max_frame = MAX_FRAME
        """Bytes of the largest frame that the peer accepts."""
        self.replies = 0
        """Acknowledgements and resets since the owner last set it to 0."""
        self.sent_data = 0
        """DATA frames that were sent, except those that a window made smaller than `SMALL`."""
        self.table_update = b""
        """What the next header block begins with, if the peer has lowered its table (RFC 7541 §4.2)."""
        self._growth = GROWTH_BUDGET
        self.sendable: deque[StreamT] = deque()
        """Streams with bytes that may be sent, in the order of their turns."""

    def send_head(
        self, stream: StreamT, block: bytes, body: bytes = b"", trailers: bytes = b"", *, end_stream: bool
    ) -> None:
        """Send a head, final or interim, and with it a whole small body.

        Args:
            stream: an open stream.
            block: the header block.
            body: the bytes that follow.
            trailers: the header block of the trailers, if the stream ends; empty for none.
            end_stream: whether the stream ends after head, body and trailers.
        """
        if self.table_update:
            block, self.table_update = self.table_update + block, b""
        number, size, max_frame = stream.number, len(body), self.max_frame
        if 0 < size <= stream.send_window and size <= self.send_window and size <= max_frame >= len(block):
            stream.send_window -= size
            self.send_window -= size
            self.sent_data += 1
            head = HEADER.pack(len(block) << 8 | frames.HEADERS, frames.END_HEADERS, number)
            ends = end_stream and not trailers
            self.output.append(b"".join((head, block, HEADER.pack(size << 8, ends, number), body)))
            if ends:
                self._end(stream)
            elif end_stream:
                self._send_end(stream, trailers)
            return
        ends = end_stream and not (size or trailers)
        self.output.append(frames.headers(number, block, end_stream=ends, max_frame=max_frame))
        if ends:
            self._end(stream)
        else:
            self.send(stream, body)
            if end_stream:
                self.end(stream, trailers)

    def send(self, stream: StreamT, data: bytes) -> None:
        """Queue bytes of the body. They are framed by `fill`."""
        if stream.ended or not data:
            return
        if stream.unsent is None:
            stream.unsent = deque()
        stream.unsent.append(data)
        before, stream.size = stream.size, stream.size + len(data)
        self._schedule(stream)
        if stream.size > HIGH_MARK >= before:
            stream.too_full()

    def end(self, stream: StreamT, trailers: bytes = b"") -> None:
        """End the stream after the queued bytes; `trailers` is a header block."""
        if stream.ended or stream.ending:
            return
        if stream.size:
            stream.ending, stream.trailers = True, trailers
        else:
            self._send_end(stream, trailers)

    def reset(self, stream: StreamT, code: ErrorCode) -> None:
        """Close a stream at once. Bytes that are not framed are dropped."""
        if self.streams.get(stream.number) is stream:
            self._reply(frames.rst_stream(stream.number, code))
            stream.mark_closed()
            self._closed(stream)

    def consumed(self, stream: StreamT, size: int) -> None:
        """Give the peer credit for bytes that have left pylb, at the earliest for half a window."""
        stream.owed += size
        owed = stream.owed
        if stream.remote_ended or 2 * owed < stream.window_size:
            return
        if stream.window_size < LARGEST_WINDOW and self._growth >= stream.window_size:
            self._growth -= stream.window_size
            owed += stream.window_size
            stream.window_size *= 2
        stream.window += owed
        stream.owed = 0
        self.output.append(frames.window_update(stream.number, owed))

    def goaway(self, last: int, code: ErrorCode, detail: str = "") -> None:
        """Announce that streams above `last` are not processed (RFC 9113 §6.8)."""
        self.output.append(frames.goaway(last, code, detail.encode()))

    def fill(self, room: int) -> None:
        """Frame queued bytes, one frame of each ready stream in turn; of a single one as many as allowed.

        Args:
            room: bytes after which to stop, so that an urgent frame is not behind megabytes.
        """
        ready = self.sendable
        while ready and room > 0:
            stream = ready.popleft()
            stream.ready = False
            if stream.ended or not stream.size:
                continue
            count = 1 if ready else -(-room // self.max_frame)
            size = min(stream.size, stream.send_window, count * self.max_frame)
            if size <= 0:
                continue  # WINDOW_UPDATE makes it ready again.
            if self.send_window <= 0:
                stream.ready = True
                ready.appendleft(stream)
                return
            size = min(size, self.send_window)
            room -= size
            self._frame(stream, size)
            self._schedule(stream)

    @property
    def has_work(self) -> bool:
        """Whether frames, or bytes that may be framed, wait to be written."""
        return bool(self.output or self.sendable)

    def take(self) -> Bytes:
        """Return the output, and forget it."""
        output = self.output
        taken = output[0] if len(output) == 1 else b"".join(output)
        output.clear()
        return taken

    def _frame(self, stream: StreamT, size: int) -> None:
        """Frame that many unsent bytes of a stream."""
        output, number, before = self.output, stream.number, stream.size
        stream.send_window -= size
        self.send_window -= size
        ends = stream.ending and size == before and not stream.trailers
        while size:
            part = min(size, self.max_frame)
            size -= part
            output.append(HEADER.pack(part << 8 | frames.DATA, ends and not size, number))
            output += _take(stream, part)
            if part >= SMALL or not stream.size:
                self.sent_data += 1
        if stream.size <= LOW_MARK < before:
            stream.has_room()
        if ends:
            self._end(stream)
            stream.sent_all()
        elif stream.ending and not stream.size:
            self._send_end(stream, stream.trailers)

    def _send_end(self, stream: StreamT, trailers: bytes) -> None:
        if trailers:
            if self.table_update:
                trailers, self.table_update = self.table_update + trailers, b""
            self.output.append(
                frames.headers(stream.number, trailers, end_stream=True, max_frame=self.max_frame)
            )
        else:
            self.output.append(frames.data(stream.number, b"", end_stream=True))
        self._end(stream)
        stream.sent_all()

    def _end(self, stream: StreamT) -> None:
        stream.ended = True
        if stream.remote_ended:
            self._closed(stream)

    def _closed(self, stream: StreamT) -> None:
        """Forget a stream on which nothing more is sent or received."""
        if self.streams.pop(stream.number, None) is not None:
            stream.size = 0
            stream.unsent = None
            self._growth += stream.window_size - self.window

    def _schedule(self, stream: StreamT) -> None:
        """Let a stream wait for its turn, if it has something that may be sent."""
        if stream.size and stream.send_window > 0 and not stream.ready:
            stream.ready = True
            self.sendable.append(stream)

    def _reply(self, frame: bytes) -> None:
        self.replies += 1
        self.output.append(frame)


def _take(stream: Stream, size: int) -> list[Bytes]:
    """Remove that many bytes from the beginning of what a stream has unsent."""
    stream.size -= size
    unsent, pieces = cast("deque[Bytes]", stream.unsent), []
    while size:
        piece = unsent.popleft()
        if len(piece) > size:
            view = memoryview(piece)  # A slice of bytes would copy the rest of a large piece each time.
            unsent.appendleft(view[size:])
            piece = view[:size]
        size -= len(piece)
        pieces.append(piece)
    return pieces
