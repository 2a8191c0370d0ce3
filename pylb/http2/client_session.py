"""The client's role in a session: it opens streams for requests, and receives their responses."""

from __future__ import annotations

from collections.abc import Callable

from pylb.errors import ProxyError
from pylb.http2 import frames
from pylb.http2.errors import ErrorCode, StreamError
from pylb.http2.response_text import ResponseHeads
from pylb.http2.sender import INITIAL_WINDOW, MAX_WINDOW
from pylb.http2.session import Session, is_settings
from pylb.http2.stream import Stream

TABLE_SIZE = 0
"""Bytes of the table with which a backend compresses heads. Without one, equal heads are equal blocks, and
each is decoded once (`http2.response_text`)."""

ASSUMED_STREAMS = 1
"""Streams that a backend accepts until its SETTINGS arrive. It may close the connection for more."""

UNLIMITED = 2**32
"""What a backend accepts whose SETTINGS name no limit (RFC 9113 §6.5.2)."""


class RequestStream(Stream):
    """A stream that carries a request of pylb to a backend. A subclass stores the attributes."""

    __slots__ = ()

    bodiless: bool
    """Whether the response has no body, because the request's method is HEAD."""
    head_received: bool
    """Whether the final head has arrived."""

    def received_head(self, head: bytes | ProxyError, *, interim: bool) -> None:
        """Take the head of a response as HTTP/1.1 text, or the reason why it is invalid."""

    def unprocessed(self, detail: str) -> None:
        """The stream is closed, and the backend has not processed the request (RFC 9113 §8.7)."""


class ClientSession(Session[RequestStream]):
    """One connection to a backend.

    Args:
        window: bytes that the backend may send on a stream before any of them is consumed.
        max_header: bytes of the largest header block, and of its fields.
        changed: called when more or fewer streams can be opened, because SETTINGS or GOAWAY arrived.
    """

    def __init__(self, *, window: int, max_header: int, changed: Callable[[], None]) -> None:
        super().__init__(window=window, max_header=max_header)
        self._heads = ResponseHeads(TABLE_SIZE, max_header)
        self._changed = changed
        self.max_streams = ASSUMED_STREAMS
        """Streams that the backend accepts at once."""
        self._named_limit = UNLIMITED
        self.max_request_head = MAX_WINDOW
        """Bytes of the largest head that the backend accepts, counted as in RFC 9113 §6.5.2."""
        self.connect_protocol = False
        """Whether the backend accepts tunnels (RFC 8441 §3)."""
        self.goaway_received = False
        """Whether the backend accepts no new streams."""
        self.pinged = False
        """Whether a PING was sent and not answered."""
        self.output.append(
            frames.PREFACE
            + frames.settings(
                {
                    frames.HEADER_TABLE_SIZE: TABLE_SIZE,
                    frames.ENABLE_PUSH: 0,
                    frames.INITIAL_WINDOW_SIZE: window,
                    frames.MAX_HEADER_LIST_SIZE: max_header,
                }
            )
            + frames.window_update(0, MAX_WINDOW - INITIAL_WINDOW)
        )

    @property
    def settled(self) -> bool:
        """Whether the backend's first SETTINGS have arrived."""
        return self._may_receive is not is_settings

    @property
    def exhausted(self) -> bool:
        """Whether no stream can be opened any more."""
        return self.goaway_received or self.last_number > MAX_WINDOW - 2

    def open(
        self,
        stream: RequestStream,
        block: bytes,
        body: bytes = b"",
        trailers: bytes = b"",
        *,
        end_stream: bool,
    ) -> None:
        """Open a stream with the head of its request, and with the first bytes of the body.

        Args:
            stream: a stream without a number. The owner has checked `exhausted` and `max_streams`.
            block: the header block.
            body: the bytes that follow.
            trailers: see `send_head`.
            end_stream: whether the request ends after them.
        """
        self.last_number += 2 if self.last_number else 1
        stream.number = self.last_number
        stream.send_window = self.initial_send_window
        self.streams[stream.number] = stream
        self.send_head(stream, block, body, trailers, end_stream=end_stream)

    def ping(self) -> None:
        """Ask the backend for a sign of life, unless it owes one."""
        if not self.pinged:
            self.pinged = True
            self.output.append(frames.ping(b"pylbping", ack=False))

    def is_idle(self, number: int) -> bool:
        """Return whether pylb never opened a stream. The even ones would be pushed (RFC 9113 §5.1.1)."""
        return number > self.last_number or not number & 1

    # Events.

    def received_block(self, number: int, block: bytes, *, end_stream: bool) -> None:
        """Deliver a head or trailers to their stream."""
        stream = self.streams.get(number)
        if stream is None or stream.remote_ended:
            self._heads.skip(block)
            self._late(number)
        elif stream.head_received:
            self._trailers(stream, block, end_stream=end_stream)
        else:
            self._head(stream, block, end_stream=end_stream)

    def _head(self, stream: RequestStream, block: bytes, *, end_stream: bool) -> None:
        try:
            head, interim = self._heads.head(block, end_stream=end_stream, bodiless=stream.bodiless)
        except ProxyError as error:
            self.reset(stream, ErrorCode.PROTOCOL_ERROR)
            stream.received_head(error, interim=False)
            return
        stream.head_received = not interim
        stream.remote_ended = end_stream
        stream.received_head(head, interim=interim)
        if end_stream and stream.ended:
            self._closed(stream)

    def _trailers(self, stream: RequestStream, block: bytes, *, end_stream: bool) -> None:
        lines = self._heads.trailers(block, stream.number)
        if not end_stream:
            raise StreamError(stream.number, ErrorCode.PROTOCOL_ERROR, "trailers that do not end the stream")
        stream.remote_ended = True
        stream.received_trailers(lines)
        if stream.ended:
            self._closed(stream)

    def received_settings(self, values: dict[int, int]) -> None:
        """Apply the limits of the backend."""
        self._named_limit = values.get(frames.MAX_CONCURRENT_STREAMS, self._named_limit)
        self.max_streams = self._named_limit
        self.max_request_head = values.get(frames.MAX_HEADER_LIST_SIZE, self.max_request_head)
        if frames.ENABLE_CONNECT_PROTOCOL in values:
            self.connect_protocol = bool(values[frames.ENABLE_CONNECT_PROTOCOL])
        self._changed()

    def received_pong(self, opaque: bytes) -> None:  # noqa: ARG002
        """The backend is alive."""
        self.pinged = False
        self._changed()

    def received_goaway(self, last: int, code: int) -> None:
        """Open no more streams; give up those that the backend has not processed (RFC 9113 §6.8)."""
        self.goaway_received = True
        for stream in [stream for number, stream in self.streams.items() if number > last]:
            stream.mark_closed()
            self._closed(stream)
            stream.unprocessed(f"GOAWAY {name_of(code)}, its last stream is {last}")
        self._changed()


def name_of(code: int) -> str:
    """Return the name of an error code, or its number if it has none."""
    try:
        return ErrorCode(code).name
    except ValueError:
        return f"error {code:#x}"
