"""Moving bytes: connections as streams, a pump between two streams, and how a coroutine waits.

Back-pressure has one mechanism. When a stream's write buffer is full, the transport calls `pause_writing`,
and pylb stops reading the stream that fills the buffer; when the buffer has drained, reading continues. So
each direction holds at most one write buffer and one read in memory, whatever the size of a body.

`queue_write` sends a message together with those of other connections; `write` sends it at once. Bytes leave
in the order of these calls (`proxy/batch.py`).

Each client connection has one coroutine and no task: `await EVENT` suspends it, `Waiter.wake` resumes it. The
coroutine checks its state after each wake-up, so spurious wake-ups are harmless.

The module may not import the parser of heads or the class of a connection.
"""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Callable, Generator
from typing import Protocol, cast

from pylb.errors import ProxyError
from pylb.http1.body import Decoder, Encoder, UntilClose
from pylb.proxy.batch import INLINE_LIMIT, WriteBatch
from pylb.proxy.waiter import Waiter

REPLAY_LIMIT = 64 * 1024
"""Bytes of a request's body that are kept, so that another backend can receive them."""


CHUNKS_AT_ONCE = 256
"""Chunks of one body that are decoded in one iteration of the loop, about 0.3 ms of work.

One read can hold 40,000 of them, and would keep every other connection waiting for 40 ms."""

LARGE_READ = 128 * 1024
"""Bytes of a read after which there is probably more to be read."""

LARGE_READS_AT_ONCE = 4
"""Large reads before pylb yields to the other connections: 1 MB. The loop alone would read 8 MB."""


class Event:
    """`await EVENT` waits until something happens to this client connection or to its backend connection."""

    __slots__ = ()
    # Yields once to `Waiter.wake`. A generator would do the same, with one more frame per wait.
    __await__ = cast("Callable[[Event], Generator[None, None, None]]", (None,).__iter__)


EVENT = Event()


def writable(connection: socket.socket) -> bool:
    """Return whether the kernel accepts bytes now. True also after a failed write or connect."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLOUT)
    return bool(poll.poll(0))


class ByteStream(Protocol):
    """A source and sink of bytes with back-pressure in both directions."""

    recv_buffer: bytes
    """Bytes that have arrived and are not consumed."""
    pump: BodyPump | None
    """Consumes what arrives while a body moves."""
    producer: ByteStream | None
    """The stream whose bytes fill this one's write buffer."""
    write_paused: bool
    """Whether the write buffer is full."""
    lost: bool
    """Whether the connection is closed."""

    def queue_write(self, data: bytes) -> None:
        """Write at the end of the loop iteration, together with other streams; a large message at once."""

    def write(self, data: bytes) -> None:
        """Write now, after what is queued."""

    def flush(self) -> None:
        """Write what is queued."""

    def pause(self) -> None:
        """Stop reading."""

    def resume(self) -> None:
        """Continue reading."""

    @property
    def can_half_close(self) -> bool:
        """Whether the stream can end in one direction only."""

    def half_close(self) -> None:
        """End the stream in the direction of writing, after what is queued."""


def fill_up(sink: ByteStream) -> None:
    """Pause the producer of a stream whose write buffer is full."""
    sink.write_paused = True
    producer = sink.producer
    if producer is not None:
        producer.pause()
        if producer.pump is not None:
            producer.pump.delayed = True


def drain(sink: ByteStream) -> None:
    """Let the producer of a stream continue whose write buffer has drained."""
    sink.write_paused = False
    if sink.producer is not None:
        sink.producer.resume()


class Connection(asyncio.Protocol):
    """One connection of a client or to a backend: received bytes, their consumer, and back-pressure.

    Args:
        batch: writes queued messages at the end of the loop iteration.
    """

    __slots__ = (
        "_batch",
        "lost",
        "paused",
        "producer",
        "pump",
        "receiver",
        "recv_buffer",
        "transport",
        "write_paused",
    )

    def __init__(self, batch: WriteBatch) -> None:
        self._batch = batch
        self.transport: asyncio.Transport = cast(asyncio.Transport, None)
        self.receiver: asyncio.Transport = cast(asyncio.Transport, None)
        """The transport that is paused to stop reading: `transport`, or the one below a backend's TLS."""
        self.recv_buffer = b""
        """Bytes that have arrived and are not consumed."""
        self.pump: BodyPump | None = None
        """Consumes what arrives while a body moves."""
        self.producer: ByteStream | None = None
        """The stream whose bytes fill this write buffer."""
        self.write_paused = False
        """Whether the write buffer is full."""
        self.paused = False
        """Whether reading is paused."""
        self.lost = False
        """Whether the connection is closed."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = self.receiver = cast(asyncio.Transport, transport)

    def kernel_socket(self) -> socket.socket | None:
        """Return the kernel's socket; None before a transport exists and once it has released the socket.

        A TLS transport releases the socket one loop iteration before it calls `connection_lost`. If the
        handshake fails, it calls `connection_lost` without `connection_made`.
        """
        found = self.transport.get_extra_info("socket") if self.transport else None
        return cast("socket.socket | None", found)

    def pause_writing(self) -> None:
        fill_up(self)

    def resume_writing(self) -> None:
        drain(self)

    def queue_write(self, data: bytes) -> None:
        """Write a message at the end of this loop iteration, together with others; a large one now."""
        if len(data) > INLINE_LIMIT:
            self.write(data)
            return
        batch = self._batch
        batch.writes.append((self, data))
        if not batch.scheduled:
            batch.schedule()

    def write(self, data: bytes) -> None:
        """Write bytes now, after the queued ones."""
        if self._batch.writes:
            self.flush()
        self.transport.write(data)

    def flush(self) -> None:
        """Write the queued bytes now. Call it before closing or half-closing the transport."""
        self._batch.release(self)

    def pause(self) -> None:
        """Stop reading. The peer's kernel stops sending when the TCP window is full."""
        if not self.paused and not self._is_ending():
            self.paused = True
            self.receiver.pause_reading()

    def resume(self) -> None:
        """Continue reading, unless some of what was read waits to be decoded."""
        if self.pump is not None and self.pump.decoder.pending:
            return
        if self.paused and not self._is_ending():
            self.paused = False
            self.receiver.resume_reading()

    @property
    def can_half_close(self) -> bool:
        """Whether the connection can end in one direction only; TLS cannot."""
        return self.transport.can_write_eof()

    def half_close(self) -> None:
        """End the direction of writing, after what is queued."""
        self.flush()
        self.transport.write_eof()

    def _is_ending(self) -> bool:
        return self.lost or self.transport.is_closing() or self.receiver.is_closing()


class BodyPump:
    """Moves one body from its source to its sink without waking a coroutine.

    Args:
        source: the stream that the body arrives on.
        decoder: extracts the payload and finds the end.
        encoder: frames the payload for the sink.
        client: records progress, and is woken at the end and on a framing error.
        replay: keep a small payload for another attempt.
    """

    __slots__ = (
        *("_large_reads", "_scheduled", "client", "decoder", "delayed", "done", "encoder", "error", "kept"),
        *("moved", "sink", "source"),
    )

    def __init__(
        self, source: ByteStream, decoder: Decoder, encoder: Encoder, client: Waiter, *, replay: bool = False
    ) -> None:
        self.source = source
        self.sink: ByteStream | None = None
        self.decoder = decoder
        self.encoder = encoder
        self.client = client
        self.kept: bytearray | None = bytearray() if replay else None
        self.moved = 0
        """Payload bytes that have arrived."""
        self.done = False
        self.delayed = False
        """Whether the source was ever paused because the sink was full."""
        self.error: ProxyError | None = None
        self._scheduled = False
        self._large_reads = 0

    def start(self, sink: ByteStream, head: bytes) -> None:
        """Write `head` and the arrived part of the body to `sink`; the rest follows as it arrives."""
        self.client.progressed = True
        self.sink = sink
        sink.producer = self.source
        pieces = [head]
        if self.kept:
            pieces.append(self.encoder.encode(bytes(self.kept)))
        if self.done:
            pieces.append(self.encoder.end(self.decoder.trailers))
        else:
            self.source.pump = self
            data, self.source.recv_buffer = self.source.recv_buffer, b""
            pieces += self._take(data)
        sink.queue_write(b"".join(pieces))
        self._settle()

    def feed(self, data: bytes) -> None:
        """Take bytes that have arrived at the source."""
        self.client.progressed = True
        sink = self.sink
        if sink is None:
            self.source.recv_buffer += data
            return
        pieces = self._take(data)
        if pieces:
            sink.write(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        if self.done or self.error or self.decoder.pending:
            self._settle()
        elif len(data) > LARGE_READ:
            self._large_reads += 1
            if self._large_reads % LARGE_READS_AT_ONCE == 0:
                self.source.pause()
                self._schedule()

    def feed_pending(self) -> None:
        """Decode and write all that was read: the source is lost, and no more arrives."""
        while self.decoder.pending and self.sink is not None and not self.error:
            self.feed(b"")

    def finish(self) -> None:
        """End the body, because the source closed and this was its end (RFC 9112 section 6.3, rule 8)."""
        end = self.encoder.end()
        if end and self.sink is not None:
            self.sink.write(end)
        self.done = True
        self._settle()

    def detach(self) -> None:
        """Disconnect the sink: it failed, or it responded without reading the rest."""
        if self.sink is not None:
            self.sink.producer = None
            self.sink = None
        if not self.done:
            self.source.pause()

    def half_close(self) -> bool:
        """Handle the source's end of stream; return whether the connection stays open for writing."""
        return False

    @property
    def ends_at_close(self) -> bool:
        """Whether the end of the connection ends the body."""
        return isinstance(self.decoder, UntilClose)

    @property
    def can_replay(self) -> bool:
        """Whether the whole payload so far is kept and can be sent again."""
        return self.kept is not None

    def _take(self, data: bytes) -> list[bytes]:
        """Return what to write for `data`; set `done` at the end, or `error` for broken framing."""
        decoder = self.decoder
        try:
            payload = decoder.feed(data, CHUNKS_AT_ONCE) if data or decoder.pending else b""
        except ProxyError as error:
            self.error = error
            return []
        pieces = []
        if payload:
            self.moved += len(payload)
            self._keep(payload)
            pieces.append(self.encoder.encode(payload))
        if decoder.done:
            if end := self.encoder.end(decoder.trailers):
                pieces.append(end)
            self.done = True
            self.source.recv_buffer = decoder.rest
        return pieces

    def _keep(self, payload: bytes) -> None:
        if self.kept is not None:
            self.kept += payload
            if self.moved > REPLAY_LIMIT:
                self.kept = None

    def _settle(self) -> None:
        """After a write: release both streams at the end of the body, or apply back-pressure to the source.

        The coroutine is woken only now, so that its next write follows the last piece of the body.
        """
        sink = self.sink
        if self.done or self.error:
            self.source.pump = None
            if sink is not None:
                sink.producer = None
            self.source.resume()
            self.client.wake()
        elif self.decoder.pending:
            self.source.pause()
            self._schedule()
        elif sink is not None and sink.write_paused:
            self.delayed = True
            self.source.pause()
        else:
            self.source.resume()

    def _schedule(self) -> None:
        """Continue in the next iteration of the loop, after the other connections."""
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._resume)

    def _resume(self) -> None:
        self._scheduled = False
        if self.source.pump is self and self.sink is not None:
            self.feed(b"")
        if self.source.pump is self:
            self._settle()
