"""The server's role in a session: it receives requests, and opens a stream for each of them."""

from __future__ import annotations

from collections.abc import Callable

from pylb.errors import ProxyError
from pylb.http2 import frames
from pylb.http2.errors import ErrorCode, SessionError, StreamError
from pylb.http2.guard import PREMATURE
from pylb.http2.request_heads import RequestHeads
from pylb.http2.sender import INITIAL_WINDOW, MAX_WINDOW, StreamT
from pylb.http2.session import Session, is_settings

Head = bytes | ProxyError
"""The head of a request as HTTP/1.1 text, or the reason why it is refused."""

DRAIN = b"pylbstop"
"""The PING between the two GOAWAY frames of a drain. Its answer shows that the client has seen the first."""


class ServerSession(Session[StreamT]):
    """One connection of a client.

    Args:
        heads: decodes the header blocks of the connection.
        open_stream: makes the stream of a request, given its number and its head.
        table_size: bytes of the table with which the client may compress; that of `heads`.
        max_streams: requests that may be in progress at once.
        window: bytes that a client may send on a stream before any of them is consumed.
        max_header: bytes of the largest header block.
    """

    def __init__(
        self,
        heads: RequestHeads,
        open_stream: Callable[[int, Head], StreamT],
        *,
        table_size: int,
        max_streams: int,
        window: int,
        max_header: int,
    ) -> None:
        super().__init__(window=window, max_header=max_header)
        self._heads = heads
        self._open_stream = open_stream
        self._max_streams = max_streams
        self.active = 0
        """Requests in progress; each counts until its exchange has ended, also if reset (CVE-2023-44487)."""
        self.last_accepted = MAX_WINDOW
        """The highest stream that is accepted; a GOAWAY has named it."""
        self.awaits_preface = True
        """Whether `begin` takes what arrives, and not `receive`."""
        self._announced: Callable[[], None] | None = None
        self.output.append(
            frames.settings(
                {
                    frames.HEADER_TABLE_SIZE: table_size,
                    frames.MAX_CONCURRENT_STREAMS: max_streams,
                    frames.INITIAL_WINDOW_SIZE: window,
                    frames.MAX_HEADER_LIST_SIZE: max_header,
                    frames.ENABLE_CONNECT_PROTOCOL: 1,
                    frames.NO_RFC7540_PRIORITIES: 1,
                }
            )
        )
        self.output.append(frames.window_update(0, MAX_WINDOW - INITIAL_WINDOW))

    def begin(self, data: bytes) -> None:
        """Parse the beginning of the connection: the preface, and what follows it.

        Raises:
            SessionError: the connection does not begin with the preface (RFC 9113 §3.4).
        """
        data, self._partial = self._partial + data, b""
        if not frames.PREFACE.startswith(data[: len(frames.PREFACE)]):
            raise SessionError(ErrorCode.PROTOCOL_ERROR, "not the preface of HTTP/2")
        if len(data) < len(frames.PREFACE):
            self._partial = data
            return
        self.awaits_preface = False
        self.receive(data[len(frames.PREFACE) :])

    def received_block(self, number: int, block: bytes, *, end_stream: bool) -> None:
        """Open a stream, or deliver the trailers of one."""
        stream = self.streams.get(number)
        if stream is not None or number <= self.last_number:
            self._trailers(stream, number, block, end_stream=end_stream)
            return
        if not number & 1:
            raise SessionError(ErrorCode.PROTOCOL_ERROR, "a stream with an even number")
        self.last_number = number
        head: Head
        try:
            head = self._heads.head(block, end_stream=end_stream)
        except ProxyError as error:
            head = error
        if number > self.last_accepted:
            return
        if self.active >= self._max_streams or self.guard.refuses:
            self._reply(frames.rst_stream(number, ErrorCode.REFUSED_STREAM))
            self.guard.reset()
            return
        self.active += 1
        stream = self._open_stream(number, head)
        stream.opened = self.now
        stream.remote_ended = end_stream
        self.streams[number] = stream
        stream.begin()

    def _trailers(self, stream: StreamT | None, number: int, block: bytes, *, end_stream: bool) -> None:
        """Decode a block that does not open a stream, and deliver it if it may come now."""
        if stream is None or stream.remote_ended:
            self._heads.discard(block)
            self._late(number)
            return
        lines = self._heads.trailers(number, block)
        if not end_stream:
            raise StreamError(number, ErrorCode.PROTOCOL_ERROR, "trailers that do not end the stream")
        stream.remote_ended = True
        stream.received_trailers(lines)
        if stream.ended:
            self._closed(stream)

    def _rst_stream(self, flags: int, number: int, payload: bytes) -> None:
        stream = self.streams.get(number)
        super()._rst_stream(flags, number, payload)
        if stream is not None and not stream.started and self.now - stream.opened < PREMATURE:
            self.guard.reset()

    def finish(self, stream: StreamT, code: ErrorCode) -> None:
        """End the exchange of a stream. One that is still open is reset with `code`."""
        self.active -= 1
        if stream.number in self.streams:
            self.reset(stream, code)
        elif stream.started:
            self.guard.completed()

    @property
    def settled(self) -> bool:
        """Whether the client's first SETTINGS have arrived."""
        return not self.awaits_preface and self._may_receive is not is_settings

    def is_idle(self, number: int) -> bool:
        """Return whether a client never opened a stream. The even ones are a server's (RFC 9113 §5.1.1)."""
        return number > self.last_number or not number & 1

    def received_acknowledgement(self) -> None:
        """The client has applied the settings."""
        self._heads.settings_acknowledged()

    def received_pong(self, opaque: bytes) -> None:
        """The client has seen what was sent before a PING."""
        if opaque == DRAIN and self._announced is not None:
            self._announced()

    def announce_drain(self, announced: Callable[[], None]) -> None:
        """Ask the client to open no more streams; those that it opens meanwhile are served (RFC 9113 §6.8).

        Args:
            announced: called when the client has acknowledged it.
        """
        self._announced = announced
        self.goaway(MAX_WINDOW, ErrorCode.NO_ERROR)
        self.output.append(frames.ping(DRAIN, ack=False))

    def refuse_more(self) -> None:
        """Accept no stream after those that have arrived."""
        if self.last_accepted == MAX_WINDOW:
            self.last_accepted = self.last_number
            self.goaway(self.last_number, ErrorCode.NO_ERROR)
