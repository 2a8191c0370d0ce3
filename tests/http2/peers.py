"""Both ends of a session without sockets: pylb's server, and hyper's h2 as the client that checks it."""

from __future__ import annotations

import h2.config
import h2.connection
import h2.events
import h2.settings

from pylb.config.clients import Limits
from pylb.errors import ProxyError
from pylb.http2 import frames
from pylb.http2.request_heads import RequestHeads
from pylb.http2.server_session import Head, ServerSession
from pylb.http2.stream import Stream

GET = [(":method", "GET"), (":scheme", "http"), (":authority", "shop.example"), (":path", "/")]
POST = [(":method", "POST"), *GET[1:]]
OK = b"\x88"
"""The header block of a 200."""


class Exchange(Stream):
    """A stream that remembers what happened to it."""

    def __init__(self, session: ServerSession[Exchange], number: int, head: Head, *, eager: bool) -> None:
        super().__init__(number, session.initial_send_window, session.window)
        self.session = session
        self.head = head
        self.body = b""
        self.trailer_lines: bytes | None = None
        self.reset: int | None = None
        self.pauses = 0
        self.complete = False
        self.eager = eager

    def received(self, data: bytes) -> None:
        self.body += data
        if self.eager:
            self.session.consumed(self, len(data))

    def received_trailers(self, lines: bytes) -> None:
        self.trailer_lines = lines

    def received_reset(self, code: int) -> None:
        self.reset = code

    def sent_all(self) -> None:
        self.complete = True

    def too_full(self) -> None:
        self.pauses += 1


class Peers:
    """A server of pylb, and a client of h2 that is connected to it.

    Args:
        eager: whether the server consumes each body as it arrives.
    """

    def __init__(self, *, eager: bool = True, max_streams: int = 100, window: int = 65_536) -> None:
        self.opened: list[Exchange] = []
        self.eager = eager
        self.server: ServerSession[Exchange] = ServerSession(
            RequestHeads(Limits(), 4096),
            self._open,
            table_size=4096,
            max_streams=max_streams,
            window=window,
            max_header=32 * 1024,
        )
        self.client = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=True, header_encoding=None, validate_outbound_headers=False)
        )
        self.client.initiate_connection()
        self.events: list[h2.events.Event] = []

    def _open(self, number: int, head: Head) -> Exchange:
        exchange = Exchange(self.server, number, head, eager=self.eager)
        self.opened.append(exchange)
        return exchange

    def exchange(self) -> list[h2.events.Event]:
        """Carry bytes both ways until both sides are silent; return what the client has seen."""
        new = []
        while True:
            self.send(self.client.data_to_send())
            self.server.fill(1 << 30)
            answer = self.taken()
            if not answer:
                break
            new += self.client.receive_data(answer)
        self.events += new
        return new

    def taken(self) -> bytes:
        """What the server has to send."""
        return bytes(self.server.take())

    def send(self, data: bytes) -> None:
        """Let the client send bytes, which the library may not have written."""
        receive = self.server.begin if self.server.awaits_preface else self.server.receive
        receive(data)
        while self.server.has_more:
            self.server.receive(b"")

    def raw(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        """Let the client send one frame."""
        self.send(frames.frame(kind, flags, stream, payload))

    def get(self, number: int = 1, *, end_stream: bool = True) -> Exchange:
        """Let the client open a stream; return the server's side of it."""
        self.client.send_headers(number, GET if end_stream else POST, end_stream=end_stream)
        self.exchange()
        found = self.opened[-1]
        assert found.number == number
        assert not isinstance(found.head, ProxyError)
        return found

    def body(self, number: int) -> bytes:
        """What the client has received of a response's body."""
        return b"".join(
            event.data
            for event in self.events
            if isinstance(event, h2.events.DataReceived) and event.stream_id == number
        )
