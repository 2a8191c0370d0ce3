"""A stream of a session as a source and sink of bytes with back-pressure: a `ByteStream`.

To pause a stream means to give its peer no more credit. So a stream holds at most one window in memory, and
the other streams of its connection continue.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from pylb.errors import ProxyError
from pylb.http2.stream import Stream
from pylb.proxy.multiplex.body import StreamBody
from pylb.proxy.transfer import BodyPump, ByteStream, drain, fill_up


class Carrier(Protocol):
    """The connection that carries a stream."""

    session: Any
    """The session that frames the stream."""

    def schedule(self) -> None:
        """Write the session's output at the end of the loop iteration."""

    def end_later(self, stream: Stream, trailers: bytes) -> None:
        """End a stream after the bytes that are written to it in this iteration."""

    def deliver_later(self, stream: MultiplexedStream) -> None:
        """Call `deliver` once all frames of this read are parsed."""


class MultiplexedStream(Stream):
    """A stream that pumps read from and write to; also the `http1.body.Encoder` of what it sends.

    Args:
        carrier: the connection.
        number: the stream's identifier; 0 while it has none.
    """

    __slots__ = (
        *(
            "_arrived",
            "_body",
            "_carrier",
            "_uncredited",
            "lost",
            "paused",
            "producer",
            "pump",
            "trailer_lines",
        ),
        *("recv_buffer", "write_paused"),
    )

    can_half_close = True
    """END_STREAM ends one direction only."""

    def __init__(self, carrier: Carrier, number: int) -> None:
        session = carrier.session
        super().__init__(number, session.initial_send_window, session.window)
        self._carrier: Any = carrier
        self._uncredited = 0
        """Received bytes for which the peer has no new credit yet."""
        self._arrived: list[bytes] = []
        """Bytes that have arrived in this read."""
        self._body: StreamBody | None = None
        """The decoder of the received body."""
        self.trailer_lines = b""
        """The received trailers, as lines of HTTP/1."""
        self.lost = False
        self.recv_buffer = b""
        self.pump: BodyPump | None = None
        self.producer: ByteStream | None = None
        self.write_paused = False
        self.paused = False

    # What a side adds.

    def arrived(self) -> None:
        """Bytes have arrived that no pump consumes."""

    def ended_by_peer(self) -> None:
        """The peer has ended a tunnel that cannot end in one direction only."""

    trailers_block: Callable[[bytes], bytes]
    """Returns the header block of trailers, given their lines with HTTP/1."""

    @property
    def complete(self) -> bool:
        """Whether the peer has ended its message, and all of it was delivered. One that was cut never is."""
        return self.remote_ended and not (self.cut or self._arrived)

    # Events of the session.

    def received(self, data: bytes) -> None:
        """Keep bytes until the whole read is parsed: a frame may have one byte, and a write costs more."""
        if not self._arrived:
            self._carrier.deliver_later(self)
        self._arrived.append(data)

    def deliver(self) -> None:
        """Pass on what has arrived."""
        arrived = self._arrived
        data = arrived[0] if len(arrived) == 1 else b"".join(arrived)
        arrived.clear()
        self._uncredited += len(data)
        if self.pump is not None:
            self.pump.feed(data)
            self.pass_end_on()
            if not self.paused:
                self.credit()
        else:
            self.recv_buffer += data
            self.arrived()

    def received_trailers(self, lines: bytes) -> None:
        self.trailer_lines = lines
        if self._body is not None:
            self._body.trailers = lines
        self.received(b"")

    def decode_body(self, length: int, error: Callable[[str], ProxyError]) -> StreamBody:
        """Return the decoder of the received body; see `StreamBody`."""
        body = self._body = StreamBody(self, length, error)
        body.trailers = self.trailer_lines
        return body

    def too_full(self) -> None:
        fill_up(self)

    def has_room(self) -> None:
        drain(self)

    def pass_end_on(self) -> None:
        """Pass the end of the peer's direction on, if a tunnel has joined the streams."""
        pump = self.pump
        if pump is not None and self.remote_ended and pump.ends_at_close and not pump.half_close():
            self.lost = True
            self.ended_by_peer()

    def credit(self) -> None:
        """Give the peer credit for what has left pylb."""
        uncredited, self._uncredited = self._uncredited, 0
        if uncredited and not self.remote_ended:
            self._carrier.session.consumed(self, uncredited)
            self._carrier.schedule()

    # The stream of bytes.

    def queue_write(self, data: bytes) -> None:
        """Queue bytes of the body."""
        self.write(data)

    def write(self, data: bytes) -> None:
        """Queue bytes of the body; they are framed at the end of the loop iteration."""
        if data and not self.lost:
            self._carrier.session.send(self, data)
            self._carrier.schedule()

    def flush(self) -> None:
        """Do nothing: frames leave in the order of the writes."""

    def pause(self) -> None:
        """Give the peer no more credit."""
        self.paused = True

    def resume(self) -> None:
        """Give the peer credit again."""
        self.paused = False
        if self.remote_ended and self.pump is not None and self.pump.ends_at_close:
            self.pass_end_on()  # It came before the tunnel.
        self.credit()

    def half_close(self) -> None:
        """End the direction of writing."""
        self._carrier.end_later(self, b"")

    # The encoder of what is sent.

    def encode(self, payload: bytes) -> bytes:
        """Return a payload for `write`, which frames it. See `http1.body.Encoder`."""
        return payload

    def end(self, trailers: bytes = b"") -> bytes:
        """End the message after what is written now; return nothing more to write."""
        self._carrier.end_later(self, trailers and self.trailers_block(trailers))
        return b""
