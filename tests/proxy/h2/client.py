"""An HTTP/2 client on sockets: hyper's h2, which checks every frame that pylb sends."""

from __future__ import annotations

import asyncio
import ssl
import struct

import h2.config
import h2.connection
import h2.events
import h2.exceptions

from pylb.http2.frames import GOAWAY, HEADER, HEADER_LENGTH
from tests.environment import Environment
from tests.until import until

FIELDS = [(":scheme", "http"), (":authority", "shop.example")]


class Reply:
    """What has arrived on one stream."""

    def __init__(self) -> None:
        self.status = 0
        self.fields: dict[str, str] = {}
        self.interim: list[tuple[int, dict[str, str]]] = []
        self.body = bytearray()
        self.trailers: dict[str, str] | None = None
        self.ended = False
        self.reset: int | None = None

    @property
    def over(self) -> bool:
        return self.ended or self.reset is not None


class H2Client(asyncio.Protocol):
    """One connection to pylb."""

    def __init__(self) -> None:
        config = h2.config.H2Configuration(
            client_side=True,
            header_encoding="latin-1",
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
        )
        self.h2 = h2.connection.H2Connection(config)
        self.transport: asyncio.Transport
        self.replies: dict[int, Reply] = {}
        self.goaways: list[tuple[int, int]] = []
        """Last stream and code of each. After one, h2 would take no frame; RFC 9113 lets streams finish."""
        self.unread: set[int] = set()
        """Streams whose bytes get no credit."""
        self.credits: list[tuple[int, int]] = []
        """Stream and increment of each WINDOW_UPDATE."""
        self.acks = 0
        self.closed = False
        self.acknowledges = True
        """Whether it answers PINGs."""
        self._partial = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True

    def data_received(self, data: bytes) -> None:
        self._partial += data
        while len(self._partial) >= HEADER_LENGTH:
            first, _, _ = HEADER.unpack_from(self._partial)
            end = HEADER_LENGTH + (first >> 8)
            if len(self._partial) < end:
                break
            frame, self._partial = self._partial[:end], self._partial[end:]
            if first & 0xFF == GOAWAY:
                last, code = struct.unpack_from(">LL", frame, HEADER_LENGTH)
                self.goaways.append((last, code))
            else:
                for event in self.h2.receive_data(frame):
                    self._take(event)
        self.flush()

    def _take(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.InformationalResponseReceived():
                fields = dict(event.headers)
                self.replies[event.stream_id].interim.append((int(fields.pop(":status")), fields))
            case h2.events.ResponseReceived():
                reply = self.replies[event.stream_id]
                reply.fields = dict(event.headers)
                reply.status = int(reply.fields.pop(":status"))
            case h2.events.DataReceived():
                self.replies[event.stream_id].body += event.data
                if event.stream_id not in self.unread:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case h2.events.TrailersReceived():
                self.replies[event.stream_id].trailers = dict(event.headers)
            case h2.events.StreamEnded():
                self.replies[event.stream_id].ended = True
            case h2.events.StreamReset():
                self.replies[event.stream_id].reset = event.error_code
            case h2.events.WindowUpdated():
                self.credits.append((event.stream_id, event.delta))
            case h2.events.PingAckReceived():
                self.acks += 1
            case h2.events.PingReceived() if not self.acknowledges:
                self.h2.clear_outbound_data_buffer()

    def flush(self) -> None:
        if data := self.h2.data_to_send():
            self.transport.write(data)

    def raw(self, data: bytes) -> None:
        """Send bytes that the library would not send."""
        self.flush()
        self.transport.write(data)

    def begin(self, path: str = "/", *fields, method: str = "GET", end: bool | None = None) -> int:
        """Send the head of a request in the next write; return its stream."""
        number = self.h2.get_next_available_stream_id()
        self.replies[number] = Reply()
        head = [(":method", method), (":path", path), *FIELDS, *fields]
        self.h2.send_headers(number, head, end_stream=method != "POST" if end is None else end)
        return number

    def send(self, number: int, data: bytes, *, end: bool = False) -> None:
        """Send bytes that fit into the window."""
        self.h2.send_data(number, data, end_stream=end)
        self.flush()

    def reset(self, number: int) -> None:
        self.h2.reset_stream(number, 8)
        self.flush()

    async def ping(self) -> None:
        """Wait until pylb has read everything that was sent before."""
        expected = self.acks + 1
        self.h2.ping(b"question")
        self.flush()
        await until(lambda: self.acks >= expected)

    async def upload(self, number: int, data: bytes, *, end: bool = True) -> None:
        """Send bytes as the windows allow."""
        while data:
            await until(lambda: self.room(number) > 0)
            size = min(self.room(number), len(data))
            self.send(number, data[:size], end=end and size == len(data))
            data = data[size:]

    def room(self, number: int) -> int:
        """Bytes that may be sent now in one frame."""
        return min(self.h2.local_flow_control_window(number), self.h2.max_outbound_frame_size)

    async def ended(self, number: int) -> Reply:
        """Wait for the end of the response; return it."""
        self.flush()
        return await until(lambda: (reply := self.replies[number]).over and reply)

    async def get(self, path: str = "/", *fields, method: str = "GET") -> Reply:
        """Send a request without a body; return the response."""
        return await self.ended(self.begin(path, *fields, method=method, end=True))


async def connect(
    environment: Environment, *, port: int = 0, tls: ssl.SSLContext | None = None, name: str | None = None
) -> H2Client:
    """Connect to a pylb and send the preface."""
    loop = asyncio.get_running_loop()
    _, client = await loop.create_connection(
        H2Client, "127.0.0.1", port or environment.port, ssl=tls, server_hostname=name
    )
    environment.at_end(client.transport.abort)
    client.h2.initiate_connection()
    client.flush()
    return client
