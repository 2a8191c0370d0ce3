"""A connection whose streams share one transport: it writes what they have queued, and closes in order.

The connection has no coroutine. What its streams queue in a loop iteration is written at its end, together
(`proxy/batch.py`).
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol, cast

from pylb.http2.session import Session
from pylb.http2.stream import Stream
from pylb.proxy.batch import WriteBatch

ROOM = 80 * 1024
"""Bytes of bodies that are framed at once, so that an urgent frame is not behind megabytes (h2o)."""

MAX_REPLIES = 100
"""Replies to a peer that does not read them, before pylb stops to read from it."""

MAX_UNREAD = 512 * 1024
"""Bytes that a peer has not read, before pylb stops to read from it. Bodies wait for the windows and for the
transport, but heads do not: a client could ask for any number of them and read none."""


class Arrived(Protocol):
    """A stream that has received bytes."""

    def deliver(self) -> None:
        """Pass on what has arrived."""


class MultiplexedConnection(asyncio.Protocol):
    """The transport and the session of some streams. A subclass for each side makes the streams.

    Args:
        batch: calls back at the end of a loop iteration.
    """

    session: Session[Any]

    def __init__(self, batch: WriteBatch) -> None:
        self.batch = batch
        self.transport: asyncio.Transport = cast(asyncio.Transport, None)
        self.lost = False
        """Whether the transport is closed."""
        self._write_paused = False
        self._scheduled = False
        self._ended = False
        """Whether the session has ended, and what arrives is discarded."""
        self._paused = False
        """Whether reading is paused."""
        self._continues = False
        """Whether frames that were received wait for a later iteration to be parsed."""
        self._arrived: list[Arrived] = []
        """Streams that have received bytes in this read."""
        self._ends: list[tuple[Stream, bytes]] = []
        """Streams that end after what was written to them in this loop iteration, and their trailers."""

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        self._write_paused = True

    def resume_writing(self) -> None:
        self._write_paused = False
        self.schedule()
        if self._paused:
            self._continue()

    def schedule(self) -> None:
        """Write the session's output at the end of the loop iteration."""
        if not self._scheduled:
            self._scheduled = True
            self.batch.flush_later(self._flush)

    def end_later(self, stream: Stream, trailers: bytes) -> None:
        """End a stream after the bytes that are written to it in this iteration."""
        self._ends.append((stream, trailers))
        self.schedule()

    def deliver_later(self, stream: Arrived) -> None:
        """Deliver the bytes of a stream together, once all frames of this read are parsed."""
        self._arrived.append(stream)

    def _parsed(self) -> None:
        """Deliver what the frames of a read contained, and write what can be sent now."""
        session = self.session
        if self._arrived:
            self._deliver()
        if session.has_work:  # A WINDOW_UPDATE lets bytes be sent that had to wait.
            self.schedule()
        if session.has_more or self._write_paused or self._paused:
            self._throttle()

    def _deliver(self) -> None:
        arrived, self._arrived = self._arrived, []
        for stream in arrived:
            stream.deliver()

    def _throttle(self) -> None:
        """Read no more while frames wait for the other connections, or the peer does not read."""
        session = self.session
        unread = self._write_paused and (
            session.replies > MAX_REPLIES or self.transport.get_write_buffer_size() > MAX_UNREAD
        )
        pauses = session.has_more or unread
        if pauses and not self._continues and not unread:
            self._continues = True
            self.batch.defer(self._continue)
        if pauses is not self._paused and not self.transport.is_closing():
            self._paused = pauses
            if pauses:
                self.transport.pause_reading()
            else:
                self.transport.resume_reading()

    def _continue(self) -> None:
        """Parse the frames that had to wait."""
        self._continues = False
        if not self.lost:
            self.data_received(b"")

    def _flush(self) -> None:
        """Frame and write what the streams have queued, as far as the transport accepts it."""
        self._scheduled = False
        if self.lost or self.transport is None or self.transport.is_closing():
            return
        session = self.session
        ends, self._ends = self._ends, []
        for stream, trailers in ends:
            session.end(stream, trailers)
        while session.output or (session.sendable and not self._write_paused):
            if not self._write_paused:
                session.replies = 0
                session.fill(ROOM)
            if not session.output:
                break  # The windows are closed.
            self.transport.write(session.take())
        if self._ended and not self._write_paused:
            self._close()

    def _close(self) -> None:
        """Close the transport, because the session has ended and its last frame was written."""
        self.transport.close()
