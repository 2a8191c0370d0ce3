"""How bytes flow: a connection as a stream, a body as a pump between two of them, and how a coroutine waits.

Back-pressure, in one place: when a stream's write buffer is full, the transport calls `pause_writing`, and
the stream that fills it stops being read; when it has drained, reading goes on. So at most one write buffer
and one read per direction are held in memory, whatever the size of a body.

`queue_write` sends a message together with those of other connections; `write` sends it at once. Either way
bytes leave in the order in which they were given (`proxy/batch.py`).

There is one coroutine per client connection, and no task: `await EVENT` parks it, `Downstream.wake` runs it
on from where it stands. Whoever waits looks at the facts again afterwards, so a wake-up too many is harmless.
"""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, cast

from pylb.errors import ProxyError
from pylb.http1.body import Decoder, UntilClose, chunk, last_chunk
from pylb.proxy.batch import INLINE_LIMIT, WriteBatch

if TYPE_CHECKING:
    from pylb.proxy.downstream import Downstream

REPLAY_LIMIT = 64 * 1024
"""Bytes of a request's body that are kept, so that it can be sent again to another backend."""


CHUNKS_AT_ONCE = 256
"""Chunks of one body that are decoded in one iteration of the loop, about 0.3 ms of work.

One read can hold 40,000 of them, and would keep every other connection waiting for 40 ms."""

LARGE_READ = 128 * 1024
"""Bytes of a read after which there is probably more to be read."""

LARGE_READS_AT_ONCE = 4
"""After so many large reads the other connections have their turn: 1 MB. The loop alone would read 8 MB."""


class Event:
    """`await EVENT` waits until something happened to this client connection or to its backend's."""

    __slots__ = ()
    # Yields once to whoever runs the coroutine. A generator would do the same, but with a frame per wait.
    __await__ = cast("Callable[[Event], Generator[None, None, None]]", (None,).__iter__)


EVENT = Event()


def writable(connection: socket.socket) -> bool:
    """Whether the kernel takes bytes at this moment; also if they, or the connection to be, have failed."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLOUT)
    return bool(poll.poll(0))


class Connection(asyncio.Protocol):
    """One connection, a client's or a backend's: what arrived, who takes it, who is slowed down by it.

    Args:
        batch: the loop's, which sees to it that what is posted leaves.
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
        """Bytes that nobody has taken yet."""
        self.pump: BodyPump | None = None
        """Takes what arrives while a body moves."""
        self.producer: Connection | None = None
        """The stream whose bytes fill this one's write buffer."""
        self.write_paused = False
        """Whether the write buffer is full."""
        self.paused = False
        """Whether reading is paused."""
        self.lost = False
        """Whether the connection is gone."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = self.receiver = cast(asyncio.Transport, transport)

    def kernel_socket(self) -> socket.socket | None:
        """The kernel's side of the connection; None before there is a transport, and once that released it.

        A TLS transport releases it one iteration of the loop before it calls `connection_lost`. If the
        handshake fails, it calls that without `connection_made`.
        """
        found = self.transport.get_extra_info("socket") if self.transport else None
        return cast("socket.socket | None", found)

    def pause_writing(self) -> None:
        self.write_paused = True
        producer = self.producer
        if producer is not None:
            producer.pause()
            if producer.pump is not None:
                producer.pump.delayed = True

    def resume_writing(self) -> None:
        self.write_paused = False
        if self.producer is not None:
            self.producer.resume()

    def queue_write(self, data: bytes) -> None:
        """Let a message leave with those of others, when this turn of the loop ends; a large one now."""
        if len(data) > INLINE_LIMIT:
            self.write(data)
            return
        batch = self._batch
        batch.writes.append((self, data))
        if not batch.scheduled:
            batch.schedule()

    def write(self, data: bytes) -> None:
        """Let bytes leave now, after what was posted."""
        if self._batch.writes:
            self.flush()
        self.transport.write(data)

    def flush(self) -> None:
        """Let what was posted leave now; to be called before a transport is told of an end."""
        self._batch.release(self)

    def pause(self) -> None:
        """Stop reading; the peer's kernel will stop sending when the window is full."""
        if not self.paused and not self._is_ending():
            self.paused = True
            self.receiver.pause_reading()

    def resume(self) -> None:
        """Read on, unless some of what was read waits to be decoded."""
        if self.pump is not None and self.pump.decoder.pending:
            return
        if self.paused and not self._is_ending():
            self.paused = False
            self.receiver.resume_reading()

    def _is_ending(self) -> bool:
        return self.lost or self.transport.is_closing() or self.receiver.is_closing()


class BodyPump:
    """Moves one body from the stream it arrives on to the stream it leaves by, without waking a coroutine.

    Args:
        source: where the body arrives.
        decoder: finds the payload and the end.
        chunked: whether the payload leaves in chunks.
        client: the connection that is served; told of progress, of the end, and of broken framing.
        replay: keep the payload for another try, as long as it is small.
    """

    __slots__ = (
        *("_large_reads", "_scheduled", "chunked", "client", "decoder", "delayed", "done", "error", "kept"),
        *("moved", "sink", "source"),
    )

    def __init__(
        self, source: Connection, decoder: Decoder, client: Downstream, *, chunked: bool, replay: bool = False
    ) -> None:
        self.source = source
        self.sink: Connection | None = None
        self.decoder = decoder
        self.chunked = chunked
        self.client = client
        self.kept: bytearray | None = bytearray() if replay else None
        self.moved = 0
        """Bytes of payload."""
        self.done = False
        self.delayed = False
        """Whether the source ever had to wait until the sink took more."""
        self.error: ProxyError | None = None
        self._scheduled = False
        self._large_reads = 0

    def start(self, sink: Connection, head: bytes) -> None:
        """Write `head` and what is there of the body to `sink`; the rest follows as it arrives."""
        self.client.progressed = True
        self.sink = sink
        sink.producer = self.source
        pieces = [head]
        if self.kept:
            kept = bytes(self.kept)
            pieces.append(chunk(kept) if self.chunked else kept)
        if self.done:
            if self.chunked:
                pieces.append(last_chunk(self.decoder.trailers))
        else:
            self.source.pump = self
            data, self.source.recv_buffer = self.source.recv_buffer, b""
            pieces += self._take(data)
        sink.queue_write(b"".join(pieces))
        self._settle()

    def feed(self, data: bytes) -> None:
        """Bytes arrived at the source."""
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
        """The source closed, and that was the end of the body (RFC 9112 §6.3, rule 8)."""
        if self.chunked and self.sink is not None:
            self.sink.write(last_chunk())
        self.done = True
        self._settle()

    def detach(self) -> None:
        """Let go of the sink: it failed, or it has answered without wanting the rest."""
        if self.sink is not None:
            self.sink.producer = None
            self.sink = None
        if not self.done:
            self.source.pause()

    def half_close(self) -> bool:
        """The source will send no more: whether the connection stays open for the other direction."""
        return False

    @property
    def ends_at_close(self) -> bool:
        """Whether the end of the connection is the end of the body."""
        return isinstance(self.decoder, UntilClose)

    @property
    def can_replay(self) -> bool:
        """Whether all that was taken so far is still there to be sent again."""
        return self.kept is not None

    def _take(self, data: bytes) -> list[bytes]:
        """What to write for `data`; notes the end, or what is wrong."""
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
            pieces.append(chunk(payload) if self.chunked else payload)
        if decoder.done:
            if self.chunked:
                pieces.append(last_chunk(decoder.trailers))
            self.done = True
            self.source.recv_buffer = decoder.rest
        return pieces

    def _keep(self, payload: bytes) -> None:
        if self.kept is not None:
            self.kept += payload
            if self.moved > REPLAY_LIMIT:
                self.kept = None

    def _settle(self) -> None:
        """Once all that there is has been written: let go of the streams, or slow the source down.

        Only now may the coroutine run on: what it writes comes after the body, not before its last piece.
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
        """Go on in the next iteration of the loop, after the other connections had their turn."""
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        self._scheduled = False
        if self.source.pump is self and self.sink is not None:
            self.feed(b"")
        if self.source.pump is self:
            self._settle()
